//! `rustdaemon ping`: is anybody there?

use clap::Args;

use super::session::Session;
use super::{Outcome, print};

/// Ask whether the sidecar lives.
#[derive(Args)]
pub struct Ping {
    #[command(flatten)]
    session: Session,
}

impl Ping {
    /// Prints the answer's data.
    pub fn run(self) -> Outcome {
        print(self.session.ask("ping", "[]")?.get())
    }
}
