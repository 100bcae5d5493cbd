//! `rustdaemon top`: pools and workers, live.
//!
//! # How it works
//! Three threads tell the one that draws: one asks `daemon.status` each interval, one reads keys, one waits for signals; an
//! order (pause, restart) has one of its own, because it returns when it has come true. Nothing polls, and keys are heard
//! while the sidecar is silent. What is shown, `screen` decides.
//!
//! # Rules
//! However it ends, the terminal is as before.

use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use clap::Args;
use nix::sys::signal::{SigSet, Signal};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use serde_json::json;

use self::screen::{Screen, Wish};
use super::notes::unix_time;
use super::session::{Connection, Session, strange};
use super::{DONE, Failure, Outcome, SYSTEM, USAGE};
use crate::config;
use crate::verbs::{Status, Told};

mod screen;

/// A sidecar that has not answered by then is said to be silent.
const PATIENCE: Duration = Duration::from_secs(1);
/// A request may have to be finished first.
const ORDER_PATIENCE: Duration = Duration::from_secs(120);

/// Watch pools and workers live; pause and restart them by a key.
///
/// Keys: up and down choose a worker, s sorts by the next column, p pauses or resumes it, r restarts it, q ends. Rates are
/// of the last interval; p50 and p99 of how long clients have waited in the last half minute to minute.
#[derive(Args)]
pub struct Top {
    /// Between two looks.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = config::duration)]
    interval: Duration,
    #[command(flatten)]
    session: Session,
}

/// What there is to hear of.
enum News {
    Status(Box<Status>, Instant),
    /// There is none, and why.
    Silence(String),
    Terminal(Event),
    /// What has become of an order, or why not.
    Done(Result<Told, String>),
    End,
}

impl Top {
    /// Draws until it is told to end.
    pub fn run(self) -> Outcome {
        if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
            let sentence = "top needs a terminal; rustdaemon status prints the same once, --json for scripts";
            return Err(Failure::new(USAGE, sentence));
        }
        self.session.ask("ping", "[]")?; // what is wrong with the connection is said before the screen is taken
        let (tell, news) = channel();
        watch_signals(tell.clone())?;
        let (session, interval) = (self.session.clone(), self.interval.max(Duration::from_millis(100)));
        let to_screen = tell.clone();
        std::thread::spawn(move || look(&session, interval, &to_screen));
        let mut terminal = ratatui::try_init()
            .map_err(|failed| Failure::new(SYSTEM, format!("cannot take the terminal: {failed}")))?;
        let keys = tell.clone();
        std::thread::spawn(move || read_keys(&keys));
        let shown = self.show(&mut terminal, &news, &tell);
        ratatui::restore();
        shown.map(|()| DONE).map_err(|failed| Failure::new(SYSTEM, format!("cannot draw: {failed}")))
    }

    fn show(
        &self,
        terminal: &mut DefaultTerminal,
        news: &Receiver<News>,
        tell: &Sender<News>,
    ) -> std::io::Result<()> {
        let mut screen = Screen::default();
        terminal.draw(|frame| screen.draw(frame))?;
        while let Ok(heard) = news.recv() {
            match heard {
                News::Status(status, at) => screen.take(*status, at, unix_time()),
                News::Silence(why) => screen.silent(why),
                News::Done(Ok(told)) => screen.came_true(&told),
                News::Done(Err(why)) => screen.say(why),
                News::End => return Ok(()),
                News::Terminal(Event::Key(key)) => match screen.key(key) {
                    Some(Wish::End) => return Ok(()),
                    Some(Wish::Order { method, name }) => self.order(method, name, tell),
                    None => {}
                },
                News::Terminal(_) => {} // its size: drawn anew
            }
            terminal.draw(|frame| screen.draw(frame))?;
        }
        Ok(())
    }

    fn order(&self, method: &'static str, name: String, tell: &Sender<News>) {
        let (session, tell) = (self.session.clone(), tell.clone());
        std::thread::spawn(move || {
            let told = session.order(method, &json!([name]).to_string(), ORDER_PATIENCE);
            let told = told.map_err(|failure| failure.to_string()).and_then(|data| {
                serde_json::from_str::<Told>(data.get()).map_err(|failed| strange(&failed).to_string())
            });
            let _ = tell.send(News::Done(told)); // else it has ended
        });
    }
}

/// Asks each interval, over one connection as long as that holds.
fn look(session: &Session, interval: Duration, tell: &Sender<News>) {
    let mut connection: Option<Connection> = None;
    // Nobody ever sends: it is a clock.
    let (_never, clock) = channel::<()>();
    loop {
        let kept = connection.take();
        let mut status = Err(Failure::new(SYSTEM, ""));
        // What was kept may have broken with a sidecar that has a successor by now.
        for asked in kept.map(Ok).into_iter().chain(std::iter::once_with(|| session.connect())) {
            status = asked.and_then(|mut asked| {
                let data = asked.ask("daemon.status", "[]", PATIENCE)?;
                connection = Some(asked);
                serde_json::from_str::<Status>(data.get()).map_err(|failed| strange(&failed))
            });
            if connection.is_some() {
                break;
            }
        }
        let news = match status {
            Ok(status) => News::Status(Box::new(status), Instant::now()),
            Err(failure) => News::Silence(failure.to_string()),
        };
        if tell.send(news).is_err() {
            return;
        }
        if !matches!(clock.recv_timeout(interval), Err(RecvTimeoutError::Timeout)) {
            return;
        }
    }
}

fn read_keys(tell: &Sender<News>) {
    loop {
        let news = event::read().map_or(News::End, News::Terminal);
        let ends = matches!(news, News::End);
        if tell.send(news).is_err() || ends {
            return;
        }
    }
}

/// TERM and the end of the terminal end it as q does. Before any thread: each of them has the mask.
fn watch_signals(tell: Sender<News>) -> Result<(), Failure> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        signals.add(signal);
    }
    signals.thread_block().map_err(|failed| Failure::new(SYSTEM, format!("sigprocmask: {failed}")))?;
    std::thread::spawn(move || {
        let _ = signals.wait();
        let _ = tell.send(News::End); // else it has ended
    });
    Ok(())
}
