//! The flags of `rustdaemon run` that are keys of the configuration: one for each line of its table.

use clap::builder::{Arg, ArgAction, Command};
use clap::{ArgMatches, Args, FromArgMatches};

use crate::config::{self, Flag, POOL, TOP};

/// What was given of them.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// Keys above all pools.
    pub top: config::Flags,
    /// Keys of a pool.
    pub pool: config::Flags,
}

impl Flags {
    /// The first one that is a pool's, as it is typed.
    pub fn pool_flag(&self) -> Option<String> {
        let (given, _) = self.pool.first()?;
        let key = POOL.iter().find(|key| key.name == *given)?;
        Some(format!("--{}", long(key.name, key.flag)))
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.top = TOP.iter().filter_map(|key| given(matches, key.name, key.flag)).collect();
        self.pool = POOL.iter().filter_map(|key| given(matches, key.name, key.flag)).collect();
        Ok(())
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let top = TOP.iter().filter_map(|key| arg(key.name, key.flag, key.default, key.help));
        let pool = POOL.iter().filter_map(|key| arg(key.name, key.flag, key.default, key.help));
        let socket = |arg: Arg| match arg.get_id() == "socket" {
            true => arg.required_unless_present_any(["config", "defaults"]),
            false => arg,
        };
        command.args(top.map(socket)).next_help_heading("The pool").args(pool)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn given(matches: &ArgMatches, name: &'static str, flag: Flag) -> Option<(&'static str, Vec<String>)> {
    match flag {
        Flag::None => None,
        Flag::On | Flag::Off => matches.get_flag(name).then(|| (name, Vec::new())),
        _ => matches.get_many(name).map(|values| (name, values.cloned().collect())),
    }
}

fn long(name: &str, flag: Flag) -> String {
    let dashed = name.replace('_', "-");
    if flag == Flag::Off { format!("no-{dashed}") } else { dashed }
}

fn arg(name: &'static str, flag: Flag, default: &str, help: &str) -> Option<Arg> {
    let help = match (flag, default) {
        (Flag::Off, _) => capitalised(help.trim_start_matches("false: ")),
        (Flag::On, _) | (_, "") => help.to_owned(),
        _ => format!("{help} [default: {default}]"),
    };
    let arg = Arg::new(name).long(long(name, flag)).help(help);
    match flag {
        Flag::Text(value) => Some(arg.value_name(value)),
        Flag::Number(value) => Some(arg.value_name(value).allow_negative_numbers(true)),
        Flag::Pairs => Some(arg.value_name("NAME=VALUE").action(ArgAction::Append).value_parser(pair)),
        Flag::On | Flag::Off => Some(arg.action(ArgAction::SetTrue)),
        Flag::None => None,
    }
}

fn pair(text: &str) -> Result<String, &'static str> {
    if text.contains('=') { Ok(text.to_owned()) } else { Err("write NAME=VALUE") }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().into_iter().flat_map(char::to_uppercase).chain(characters).collect()
}
