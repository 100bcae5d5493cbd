//! Who hears a message that is addressed to a slot.
//!
//! # How it works
//! Where nobody is in the slot, but somebody is about to be, the message waits; where nobody will be, its sender is told at
//! once. A loop of the script's own serves no requests, and hears messages.

use super::{Pool, Reach};
use crate::life::State;

impl Pool {
    /// Why nobody is in a slot who could be sent a message, now or soon; `None`: somebody is, or will be.
    #[must_use]
    pub fn vacancy(&self, number: usize) -> Option<String> {
        let name = self.slot_name(number);
        if !self.config.link {
            let pool = &self.config.name;
            return Some(format!("{pool} has no link (--no-link): nobody there would hear a message"));
        }
        let Some(view) = self.view(number) else { return Some(format!("{name} is not there any more")) };
        match view.state {
            State::Parked => self.trouble_in(number),
            State::Unkillable => {
                Some(format!("{name} could not be ended, and no other one is started in its place"))
            }
            _ if !view.slot.wanted => Some(format!("{name} is stopped")),
            _ => None,
        }
    }

    /// The worker in a slot, where it may be sent a message now; `None`: later.
    ///
    /// # Errors
    /// One sentence: nobody there will hear it.
    pub fn hears(&self, number: usize) -> Result<Option<Reach<'_>>, String> {
        if let Some(why) = self.vacancy(number) {
            return Err(why);
        }
        let current = self.slots.get(number).and_then(|slot| slot.current);
        let Some(life) = current.and_then(|worker| self.lives.get(worker)) else { return Ok(None) };
        if life.ready && !life.has_sessions() && life.ending.is_none() {
            let name = self.slot_name(number);
            return Err(format!(
                "{name} runs an extension that is too old to be sent messages: install this release's"
            ));
        }
        let is_free = life.is_free_for_message();
        let may = self.is_open(life) && (is_free || life.prefetches());
        Ok(may.then_some(Reach { life, is_free }))
    }
}
