//! What an operator asks for: begun at once, answered when it has come true, or cannot any more.
//!
//! # How it works
//! A [`Task`] names places and a goal. After each event every task is looked at; the pools know what has become of it. A
//! reload's end is told by its pool.

use std::collections::HashMap;
use std::time::Instant;

use rustdaemon_core::link::{self, Fault};
use rustdaemon_core::signo;

use super::{Action, Daemon, answer, fault};
use crate::control::{Command, Control, Target};
use crate::dialect::{Address, Cause};
use crate::ids::{ClientId, WorkerId};
use crate::life::State;
use crate::pool::Pool;
use crate::verbs;

/// A request that is answered when what it asked for has come true.
#[derive(Debug)]
pub(super) struct Task {
    client: ClientId,
    address: Address,
    goal: Goal,
    /// Pool, slot, and the worker that was there.
    places: Vec<(usize, usize, Option<WorkerId>)>,
}

/// What a task waits for, in every of its places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// A worker that is ready; another one than before.
    Anew,
    /// A worker that is ready.
    Up,
    /// No worker.
    Down,
    /// A worker that has acknowledged.
    Paused(bool),
    /// So many slots, whose workers are ready, and no others.
    Scaled(usize),
    /// The pool's reload has come to its end.
    Reloaded,
}

impl Daemon {
    /// Begins what an operator has asked for; answers when it has come true.
    pub(super) fn control(
        &mut self,
        out: &mut Vec<Action>,
        now: Instant,
        client: ClientId,
        address: &Address,
        control: Control,
    ) -> Result<(), String> {
        if self.is_stopping() && control != Control::StopDaemon {
            return Err("the daemon is stopping".into());
        }
        self.subscribers.stirred = true;
        let mut task = Task { client, address: address.clone(), goal: Goal::Reloaded, places: Vec::new() };
        match control {
            Control::StopDaemon => {
                answer(out, client, address, br#"{"stopping":true}"#);
                self.every_pool(out, now, |pool| pool.stop(now));
                return Ok(());
            }
            Control::Reload(name) => {
                let target = name.map(|pool| Target { pool, slot: None });
                let chosen = self.places(target.as_ref())?;
                let wanted = |(pool, slot, _): &(usize, usize, Option<WorkerId>)| {
                    let view = self.pools.get(*pool).and_then(|pool| pool.view(*slot));
                    view.is_some_and(|view| view.slot.wanted)
                };
                if !chosen.iter().any(wanted) {
                    return Err("all its workers are stopped: start them instead".into());
                }
                let mut pools: Vec<usize> = chosen.into_iter().map(|(pool, ..)| pool).collect();
                pools.dedup();
                if let Some(pool) =
                    pools.iter().filter_map(|pool| self.pools.get(*pool)).find(|pool| pool.is_reloading())
                {
                    return Err(format!("a reload of {} is under way; wait for its end", pool.config().name));
                }
                task.places = pools.iter().map(|pool| (*pool, 0, None)).collect();
                self.tasks.push(task);
                for pool in pools {
                    self.reload(out, now, pool)?;
                }
                return Ok(());
            }
            Control::Scale(name, workers) => {
                if name.is_none() && self.pools.len() > 1 {
                    let all: Vec<&str> = self.pools.iter().map(|pool| pool.config().name.as_str()).collect();
                    return Err(format!("which pool? There are: {}", all.join(", ")));
                }
                let target = name.map(|pool| Target { pool, slot: None });
                let Some(number) = self.places(target.as_ref())?.first().map(|(pool, ..)| *pool) else {
                    return Ok(());
                };
                let Some(pool) = self.pools.get_mut(number) else { return Ok(()) };
                if pool.is_reloading() {
                    return Err(format!("a reload of {} is under way; wait for its end", pool.config().name));
                }
                let workers = workers as usize;
                let orders = pool.scale(now, workers);
                let slots = workers.max(pool.views().count());
                task.goal = Goal::Scaled(workers);
                task.places = (0..slots).map(|slot| (number, slot, None)).collect();
                self.obey(out, now, number, orders);
                out.push(Action::Resize(self.pools.iter().map(Pool::workers).sum()));
                self.tasks.push(task);
            }
            Control::Slots(command, target) => {
                let mut places = self.places(target.as_ref())?;
                if matches!(command, Command::Pause | Command::Resume) {
                    match target {
                        None => {
                            places.retain(|(pool, ..)| self.can_pause(*pool).is_ok());
                            if places.is_empty() {
                                return Err("no worker here has a link: nobody would hear a pause".into());
                            }
                        }
                        Some(_) => places.iter().try_for_each(|(pool, ..)| self.can_pause(*pool))?,
                    }
                }
                task.goal = match command {
                    Command::Restart => Goal::Anew,
                    Command::Start => Goal::Up,
                    Command::Stop => Goal::Down,
                    Command::Pause => Goal::Paused(true),
                    Command::Resume => Goal::Paused(false),
                    Command::Signal(number) => {
                        if places.iter().all(|(.., worker)| worker.is_none()) {
                            return Err(format!("no worker is there to be sent {}", signo::name(number)));
                        }
                        Goal::Up
                    }
                };
                task.places = places;
                let mut slots: HashMap<usize, Vec<usize>> = HashMap::new();
                for (pool, slot, _) in &task.places {
                    slots.entry(*pool).or_default().push(*slot);
                }
                for (number, slots) in slots {
                    let pool = self.pools.get_mut(number);
                    let orders = pool.map(|pool| pool.command(now, &slots, command)).unwrap_or_default();
                    self.obey(out, now, number, orders);
                }
                match command {
                    Command::Signal(_) => {
                        let told = self.told(&task);
                        answer(out, client, address, &link::json(&told));
                    }
                    _ => self.tasks.push(task),
                }
            }
        }
        Ok(())
    }

    fn can_pause(&self, pool: usize) -> Result<(), String> {
        match self.pools.get(pool).map(Pool::config) {
            Some(config) if !config.link => Err(format!(
                "{} has no link (--no-link): nobody there would hear a pause; stop it instead",
                config.name
            )),
            _ => Ok(()),
        }
    }

    /// The places that a target means.
    pub(super) fn places(
        &self,
        target: Option<&Target>,
    ) -> Result<Vec<(usize, usize, Option<WorkerId>)>, String> {
        let mut places = Vec::new();
        for (number, pool) in self.pools.iter().enumerate() {
            if target.is_some_and(|target| target.pool != pool.config().name) {
                continue;
            }
            let slots = pool.views().enumerate();
            let slots = slots.filter(|(slot, _)| {
                target.and_then(|target| target.slot).is_none_or(|wanted| wanted == *slot)
            });
            places.extend(slots.map(|(slot, view)| (number, slot, view.slot.current)));
        }
        match target.filter(|_| places.is_empty()) {
            None => Ok(places),
            Some(target) => {
                let name = |pool: &Pool| match pool.workers() {
                    1 => pool.config().name.clone(),
                    workers => {
                        format!("{name}, {name}#0 to {name}#{}", workers - 1, name = pool.config().name)
                    }
                };
                let there: Vec<String> = self.pools.iter().map(name).collect();
                Err(format!("there is no worker {target}; there are: {}", there.join(", ")))
            }
        }
    }

    pub(super) fn reload(
        &mut self,
        out: &mut Vec<Action>,
        now: Instant,
        number: usize,
    ) -> Result<(), String> {
        let Some(pool) = self.pools.get_mut(number) else { return Ok(()) };
        let orders = pool.reload(now)?;
        self.obey(out, now, number, orders);
        Ok(())
    }

    /// A pool's reload has come to its end.
    pub(super) fn reloaded(
        &mut self,
        out: &mut Vec<Action>,
        pool: usize,
        result: Result<u32, (String, Vec<String>)>,
    ) {
        self.tell_reloaded(out, pool, &result);
        let is_its =
            |task: &Task| task.goal == Goal::Reloaded && task.places.iter().any(|(place, ..)| *place == pool);
        for mut task in self.tasks.extract_if(.., |task| is_its(task)).collect::<Vec<_>>() {
            match &result {
                Ok(_) => {
                    task.places.retain(|(place, ..)| *place != pool);
                    match task.places.is_empty() {
                        true => {
                            let generations = verbs::generations(
                                self.pools
                                    .iter()
                                    .map(|pool| (pool.config().name.as_str(), pool.generation())),
                            );
                            answer(out, task.client, &task.address, &link::json(&generations));
                        }
                        false => self.tasks.push(task),
                    }
                }
                Err((why, log)) => {
                    let message = format!("{why}{}", below(log));
                    let said = Fault { class: "reload_refused".into(), message };
                    fault(out, task.client, &task.address, &Cause::Said(said));
                }
            }
        }
    }

    /// Answers the tasks that have come true, and those that cannot any more.
    pub(super) fn settle_tasks(&mut self, out: &mut Vec<Action>) {
        let stopping = self.is_stopping();
        for task in std::mem::take(&mut self.tasks) {
            let outcome = task.places.iter().try_fold(true, |all, (pool, slot, before)| {
                Ok::<_, String>(all & self.has_come_true(task.goal, *pool, *slot, *before)?)
            });
            match outcome {
                _ if stopping => fault(out, task.client, &task.address, &Cause::ShuttingDown),
                Ok(true) if task.goal != Goal::Reloaded => {
                    let told = self.told(&task);
                    answer(out, task.client, &task.address, &link::json(&told));
                }
                Ok(_) => self.tasks.push(task),
                Err(message) => {
                    let said = Fault { class: "failed".into(), message };
                    fault(out, task.client, &task.address, &Cause::Said(said));
                }
            }
        }
    }

    /// Whether a task's goal is reached in one place.
    fn has_come_true(
        &self,
        goal: Goal,
        pool: usize,
        slot: usize,
        before: Option<WorkerId>,
    ) -> Result<bool, String> {
        let Some(pool) = self.pools.get(pool) else { return Ok(true) };
        let goal = match goal {
            Goal::Scaled(workers) if workers != pool.workers() => {
                return Err(format!("{} was scaled to {} meanwhile", pool.config().name, pool.workers()));
            }
            Goal::Scaled(workers) if slot >= workers => Goal::Down,
            Goal::Scaled(_) if pool.view(slot).is_some_and(|view| !view.slot.wanted) => return Ok(true),
            Goal::Scaled(_) => Goal::Up,
            goal => goal,
        };
        let Some(view) = pool.view(slot) else { return Ok(true) };
        let name = format!("{}#{slot}", pool.config().name);
        let why = || {
            let Some(exit) = &view.slot.last_exit else { return String::new() };
            format!(": {}{}", exit.message, below(&exit.log))
        };
        match goal {
            Goal::Reloaded | Goal::Scaled(_) => Ok(false),
            Goal::Up | Goal::Anew => match view.life {
                Some(life) if life.state == State::Unkillable => {
                    Err(format!("{name} could not be ended: pid {}", life.pid.unwrap_or_default()))
                }
                Some(life) => Ok(life.ready
                    && life.ending.is_none()
                    && (goal == Goal::Up || Some(life.worker) != before)),
                None if view.state == State::Stopped && view.slot.wanted => Ok(false), // a reload fills it
                None if view.state == State::Backoff => Err(format!("{name} is in backoff{}", why())),
                None => Err(format!("{name} is {}{}", view.state.word(), why())),
            },
            Goal::Down => match view.life {
                Some(life) if life.state == State::Unkillable => {
                    Err(format!("{name} could not be ended: pid {}", life.pid.unwrap_or_default()))
                }
                Some(_) if view.slot.wanted => Err(format!("{name} was started again meanwhile")),
                life => Ok(life.is_none() && pool.is_empty(slot)),
            },
            // Who is not ready yet is told when it is.
            Goal::Paused(paused) => match view.life {
                Some(life) if life.can_pause() => {
                    Ok(life.paused == paused || !life.listens() || life.ending.is_some())
                }
                Some(_) => Err(format!(
                    "{name} runs an extension that is too old to be paused: install this release's"
                )),
                None => Ok(true),
            },
        }
    }

    /// What a task's places have come to.
    fn told(&self, task: &Task) -> verbs::Told {
        let worker = |(pool, slot, _): &(usize, usize, Option<WorkerId>)| {
            let pool = self.pools.get(*pool)?;
            let view = pool.view(*slot)?;
            Some(verbs::ToldWorker {
                name: format!("{}#{slot}", pool.config().name),
                state: view.state.word().to_owned(),
                pid: view.life.and_then(|life| life.pid),
            })
        };
        verbs::Told { workers: task.places.iter().filter_map(worker).collect() }
    }
}

/// Log lines below a sentence.
fn below(log: &[String]) -> String {
    log.iter().map(|line| format!("\n  {line}")).collect()
}
