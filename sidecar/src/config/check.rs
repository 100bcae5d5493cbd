//! Values that are each allowed and do not go together.

use super::{Config, PoolConfig};

/// What contradicts itself above all pools: the key to change, and why.
pub fn contradictions_above(config: &Config) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut sources = config.token_sources();
    if let (Some(first), Some(second)) = (sources.next(), sources.next()) {
        found.push((second, format!("is a second source of the token, beside {first}; give one of them")));
    }
    if config.tcp.is_some() && config.token_sources().next().is_none() {
        let what =
            "needs a token (token_env, token_file, ...): who comes by TCP may be any user of this machine";
        found.push(("tcp", what.into()));
    }
    if config.control.as_ref() == Some(&config.socket) {
        found.push(("control", "is the path of the socket; give the second one a path of its own".into()));
    }
    found
}

/// What contradicts itself in a pool: the key to change, and why. `is_given` tells a value from a default.
pub fn contradictions(pool: &PoolConfig, is_given: impl Fn(&str) -> bool) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if let (Some(soft), Some(hard)) = (pool.memory_soft, pool.memory_hard)
        && soft >= hard
    {
        let what = "is not below memory_hard: a worker would be killed before it could be replaced";
        found.push(("memory_soft", what.into()));
    }
    if pool.ready_after > pool.ready_timeout && (!pool.link || is_given("ready_after")) {
        let (after, timeout) = (pool.ready_after, pool.ready_timeout);
        let what =
            format!("is {after:?}, and ready_timeout is {timeout:?}: no worker could become ready in time");
        found.push(("ready_after", what));
    }
    if !pool.link && pool.max_requests.is_some() {
        let what = "counts requests, and with link = false there are none; use max_lifetime";
        found.push(("max_requests", what.into()));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A changed pool, the keys that were given, the key that is named.
    type Case = (fn(&mut PoolConfig), &'static [&'static str], Option<&'static str>);

    #[test]
    fn what_does_not_go_together_is_named() {
        let cases: [Case; 8] = [
            (|_| (), &[], None),
            (|pool| (pool.memory_soft, pool.memory_hard) = (Some(2), Some(2)), &[], Some("memory_soft")),
            (|pool| (pool.memory_soft, pool.memory_hard) = (Some(1), Some(2)), &[], None),
            (|pool| pool.memory_soft = Some(2), &[], None),
            (|pool| pool.ready_timeout = Duration::from_millis(9), &["ready_timeout"], None),
            (|pool| pool.ready_after = Duration::from_secs(31), &["ready_after"], Some("ready_after")),
            (
                |pool| (pool.ready_timeout, pool.link) = (Duration::from_millis(9), false),
                &["ready_timeout", "link"],
                Some("ready_after"),
            ),
            (|pool| (pool.max_requests, pool.link) = (Some(9), false), &[], Some("max_requests")),
        ];
        for (number, (change, given, named)) in cases.into_iter().enumerate() {
            let mut pool = PoolConfig::new("a", Vec::new());
            change(&mut pool);
            let found = contradictions(&pool, |key| given.contains(&key));
            assert_eq!(
                found.iter().map(|(key, _)| *key).collect::<Vec<_>>(),
                Vec::from_iter(named),
                "{number}"
            );
        }
    }
}
