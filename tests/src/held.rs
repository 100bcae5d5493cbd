//! A scene: both workers of a pool of two are held in a request, and others are sent ahead behind them.

use std::fs::File;

use serde_json::{Value, json};

use crate::{Client, Sidecar};

/// What happens to a held worker is the test's affair; what is opened goes on.
#[derive(Debug)]
pub struct BothHeld {
    /// Who has asked for all of it.
    pub client: Client,
    /// The requests that hold the workers.
    pub holds: [u64; 2],
    /// Dropping one lets its worker go on.
    pub gates: [File; 2],
    /// Which worker stands at which gate: whoever was ready first has the first request.
    pub at: [usize; 2],
    /// The requests behind them, `pid`.
    pub ahead: Vec<u64>,
}

impl BothHeld {
    /// Holds both, and waits until so many requests wait behind them.
    #[track_caller]
    #[must_use]
    pub fn new(sidecar: &Sidecar, ahead: usize) -> Self {
        let mut client = sidecar.client();
        let mut hold = |name: &str| {
            let gate = sidecar.gate(name);
            let id = client.send("hold", json!([gate.path()]));
            (id, gate.arrived())
        };
        let (first, at_first) = hold("first");
        let at = if sidecar.worker(0)["state"] == "busy" { [0, 1] } else { [1, 0] };
        let (second, at_second) = hold("second");
        let ids = (0..ahead).map(|_| client.send("pid", json!([]))).collect();
        sidecar.wait_pool("waiting", ahead as u64);
        Self { client, holds: [first, second], gates: [at_first, at_second], at, ahead: ids }
    }
}

impl Client {
    /// The answers to these requests, whatever their order, in that in which they were asked.
    #[track_caller]
    pub fn receive_all(&mut self, ids: &[u64]) -> Vec<Value> {
        let mut answers: Vec<(u64, Value)> =
            ids.iter().map(|_| self.receive()).map(|(id, reply)| (id, reply.unwrap())).collect();
        answers.sort_by_key(|(id, _)| *id);
        assert_eq!(answers.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }
}
