//! `rustdaemon ping`: is anybody there?

use clap::Args;

use super::session::Session;
use super::{BAD_NEWS, Failure, Outcome, print};

/// Ask whether the sidecar lives.
#[derive(Args)]
pub struct Ping {
    #[command(flatten)]
    session: Session,
}

impl Ping {
    /// Prints the answer's data.
    pub fn run(self) -> Outcome {
        match self.session.ask("ping", "[]")? {
            Ok(data) => print(data.get()),
            Err(fault) => Err(Failure::new(BAD_NEWS, format!("{}: {}", fault.class, fault.message))),
        }
    }
}
