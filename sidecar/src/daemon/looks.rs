//! The built-in methods that only look.

use std::time::Instant;

use rustdaemon_core::link::{self, Fault};
use serde_json::Value;

use super::{Action, Daemon, answer};
use crate::control::{self, Target};
use crate::dialect::Address;
use crate::ids::ClientId;
use crate::pool::Pool;
use crate::verbs::{self, LogsQuery, Look};

impl Daemon {
    /// Answers a built-in method that only looks.
    pub(super) fn look(
        &mut self,
        out: &mut Vec<Action>,
        now: Instant,
        client: ClientId,
        address: &Address,
        look: Look,
        args: &[u8],
    ) -> Result<(), Fault> {
        let none = || control::arguments(args, &[]).map(drop).map_err(|why| invalid(look, &why));
        match look {
            Look::Status => {
                none()?;
                out.push(Action::Report { client, address: address.clone() });
            }
            Look::Methods => {
                none()?;
                answer(out, client, address, &link::json(&self.methods()));
            }
            Look::MethodList => {
                none()?;
                answer(out, client, address, &link::json(&self.methods().described()));
            }
            Look::Workers => {
                none()?;
                let status = self.status_at(now);
                answer(out, client, address, &link::json(&verbs::worker_list(&status)));
            }
            Look::Farms => {
                none()?;
                answer(out, client, address, &link::json(&verbs::farm_list(&self.status_at(now))));
            }
            Look::WorkerStatus => {
                let name = self.name(look, args)?;
                let status = self.status_at(now);
                answer(out, client, address, &link::json(&verbs::worker_status(&status, name.as_deref())));
            }
            Look::Logs => {
                let query = LogsQuery::parse(args).map_err(|why| invalid(look, &why))?;
                self.must_be_there(query.name.as_deref())?;
                out.push(Action::Logs { client, address: address.clone(), query });
            }
            Look::Subscribe => {
                let name = self.name(look, args)?;
                self.subscribe(now, client, address, name.clone()).map_err(|why| invalid(look, &why))?;
                let standing = verbs::standing(&self.status_at(now), name.as_deref());
                answer(out, client, address, &link::json(&standing));
            }
        }
        Ok(())
    }

    fn methods(&self) -> verbs::Methods {
        verbs::methods(self.pools.iter().map(|pool| (pool.config().name.as_str(), Pool::methods(pool))))
    }

    /// The one argument, which names a pool or a worker that is there; none: all.
    fn name(&self, look: Look, args: &[u8]) -> Result<Option<String>, Fault> {
        let values = control::arguments(args, &["name"]);
        let value = values.map(|mut values| values.pop().flatten());
        let name = value.and_then(|value: Option<Value>| control::name(value));
        let name = name.map_err(|why| invalid(look, &why))?;
        self.must_be_there(name.as_deref()).map(|()| name)
    }

    fn must_be_there(&self, name: Option<&str>) -> Result<(), Fault> {
        let target = name.map(Target::parse).transpose();
        let places = target.and_then(|target| self.places(target.as_ref()));
        places.map(drop).map_err(|message| Fault { class: "unknown_worker".into(), message })
    }
}

fn invalid(look: Look, why: &str) -> Fault {
    Fault { class: "InvalidArgument".into(), message: format!("{}: {why}", look.name()) }
}
