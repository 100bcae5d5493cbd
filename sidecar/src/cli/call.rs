//! `rustdaemon call`: one request to a worker's method.

use clap::Args;
use serde_json::value::RawValue;

use super::session::Session;
use super::{Failure, Outcome, USAGE, print};

/// Call a method and print its data as JSON.
#[derive(Args)]
pub struct Call {
    /// The method, as `rustdaemon methods` lists it.
    method: String,
    /// Arguments: a JSON array by position, or a JSON object by name.
    #[arg(value_name = "JSON", default_value = "[]")]
    args: String,
    #[command(flatten)]
    session: Session,
}

impl Call {
    /// Prints the answer's data; an error reply is bad news.
    pub fn run(self) -> Outcome {
        let args = serde_json::from_str::<&RawValue>(&self.args).ok().map(RawValue::get);
        let Some(args) = args.filter(|args| args.starts_with(['[', '{'])) else {
            return Err(Failure::new(
                USAGE,
                format!(
                    "{:?} is not a JSON array or object; write for example '[\"ns=2;s=Counter\"]'",
                    self.args
                ),
            ));
        };
        // One request is one line: white space between tokens may hold newlines, strings may not.
        let args = args.replace(['\n', '\r'], " ");
        print(self.session.ask(&self.method, &args)?.get())
    }
}
