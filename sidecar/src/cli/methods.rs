//! `rustdaemon methods`: what can be called.

use clap::Args;

use super::session::{Session, strange};
use super::{Outcome, print, table};
use crate::verbs::Methods;

/// List the methods that can be called.
#[derive(Args)]
pub struct ShowMethods {
    /// For scripts.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: Session,
}

impl ShowMethods {
    /// Prints a table, or JSON.
    pub fn run(self) -> Outcome {
        let data = self.session.ask("daemon.methods", "[]")?;
        if self.json {
            return print(data.get());
        }
        let list: Methods = serde_json::from_str(data.get()).map_err(|failed| strange(&failed))?;
        let mut rows = table(&["METHOD", "POOL", "DESCRIPTION"]);
        for method in list.methods {
            let pool = method.pool.unwrap_or_else(|| "built in".to_owned());
            rows.add_row([method.name, pool, method.description.unwrap_or_default()]);
        }
        print(&rows.trim_fmt())
    }
}
