//! What `top` shows: the newest status as lines, and what a key means.
//!
//! # How it works
//! From above: the daemon, its pools, the workers, the keys. Below a worker stand what it is doing, unless that is nothing,
//! and why the one before it ended; where they have no room for all, they stand below the chosen one only. Whoever is
//! chosen is chosen by name, so that sorting moves the choice along.
//!
//! # Rules
//! Pure: no clock, no terminal. Every size has one answer: what is smaller than [`LEAST`] is told so.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::time::Instant;

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::super::notes::{Kind, notes};
use crate::text::ago;
use crate::verbs::{PoolStatus, Status, Told, WorkerStatus};

/// The smallest terminal that shows anything, columns and lines.
const LEAST: (u16, u16) = (72, 8);
/// Lines of pools at most.
const POOL_LINES: usize = 4;

const KEYS: &str = " up down choose  s sort  p pause/resume  r restart  q quit";

/// What a key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The end.
    End,
    /// This of a worker.
    Order {
        /// The built-in method.
        method: &'static str,
        /// `pool#slot`.
        name: String,
    },
}

/// By what workers are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sort {
    #[default]
    Name,
    State,
    Rate,
    P99,
    Memory,
    Restarts,
}

/// Everything that is shown.
#[derive(Debug, Default)]
pub struct Screen {
    status: Option<Status>,
    /// When it was taken.
    at: Option<Instant>,
    /// The same in Unix time.
    unix_time: f64,
    /// Requests per second since the status before, by worker.
    rates: HashMap<String, f64>,
    /// Why the status is not the newest.
    silence: Option<String>,
    message: Option<String>,
    sort: Sort,
    chosen: Option<String>,
    /// The first worker that is shown.
    first: usize,
    /// What waits for a yes.
    asked: Option<Wish>,
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Self::Name => Self::State,
            Self::State => Self::Rate,
            Self::Rate => Self::P99,
            Self::P99 => Self::Memory,
            Self::Memory => Self::Restarts,
            Self::Restarts => Self::Name,
        }
    }
}

impl Screen {
    /// Takes a new status, which came at `at`.
    pub fn take(&mut self, status: Status, at: Instant, unix_time: f64) {
        if let (Some(before), Some(then)) = (&self.status, self.at) {
            let seconds = at.saturating_duration_since(then).as_secs_f64().max(0.001);
            let known: HashMap<&str, u64> =
                before.workers.iter().map(|worker| (worker.name.as_str(), worker.served)).collect();
            let rate = |worker: &WorkerStatus| {
                let served = worker.served.saturating_sub(*known.get(worker.name.as_str())?);
                Some((worker.name.clone(), served as f64 / seconds))
            };
            self.rates = status.workers.iter().filter_map(rate).collect();
        }
        self.unix_time = unix_time;
        (self.status, self.at, self.silence) = (Some(status), Some(at), None);
    }

    /// There is no new status, and why.
    pub fn silent(&mut self, why: String) {
        self.silence = Some(why);
    }

    /// Says something above the keys until the next one.
    pub fn say(&mut self, what: String) {
        self.message = Some(what);
    }

    /// An order has come true: nobody waits for the next status to see it.
    pub fn came_true(&mut self, told: &Told) {
        let known = self.status.iter_mut().flat_map(|status| &mut status.workers);
        for worker in known {
            if let Some(told) = told.workers.iter().find(|told| told.name == worker.name) {
                worker.state.clone_from(&told.state);
            }
        }
        let lines = told.workers.iter().map(|worker| format!("{} is {}", worker.name, worker.state));
        self.message = Some(lines.collect::<Vec<_>>().join(", "));
    }

    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent) -> Option<Wish> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_control && key.code == KeyCode::Char('c') {
            return Some(Wish::End);
        }
        self.message = None;
        if let Some(asked) = self.asked.take() {
            let yes = matches!(key.code, KeyCode::Char('y' | 'Y'));
            if let (true, Wish::Order { name, .. }) = (yes, &asked) {
                self.message = Some(format!("restarting {name} ..."));
            }
            return yes.then_some(asked);
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Some(Wish::End),
            KeyCode::Up | KeyCode::Char('k') => self.choose(-1),
            KeyCode::Down | KeyCode::Char('j') => self.choose(1),
            KeyCode::PageUp => self.choose(-10),
            KeyCode::PageDown => self.choose(10),
            KeyCode::Home => self.choose(isize::MIN),
            KeyCode::End => self.choose(isize::MAX),
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('r') => {
                let name = self.chosen()?.name.clone();
                self.asked = Some(Wish::Order { method: "worker.restart", name });
            }
            KeyCode::Char('p') => {
                let worker = self.chosen()?;
                let (method, word) = match worker.state.as_str() {
                    "paused" => ("worker.resume", "resuming"),
                    _ => ("worker.pause", "pausing"),
                };
                let name = worker.name.clone();
                self.message = Some(format!("{word} {name} ..."));
                return Some(Wish::Order { method, name });
            }
            _ => {}
        }
        None
    }

    /// Moves the choice.
    fn choose(&mut self, by: isize) {
        let names: Vec<String> = self.sorted().into_iter().map(|worker| worker.name.clone()).collect();
        let at = self.place().saturating_add_signed(by).min(names.len().saturating_sub(1));
        self.chosen = names.into_iter().nth(at);
    }

    /// Where the chosen one stands.
    fn place(&self) -> usize {
        let chosen = self.chosen.as_ref();
        self.sorted().iter().position(|worker| Some(&worker.name) == chosen).unwrap_or(0)
    }

    fn chosen(&self) -> Option<&WorkerStatus> {
        self.sorted().into_iter().nth(self.place())
    }

    fn rate(&self, worker: &WorkerStatus) -> f64 {
        self.rates.get(&worker.name).copied().unwrap_or(worker.rate)
    }

    fn sorted(&self) -> Vec<&WorkerStatus> {
        let mut workers: Vec<&WorkerStatus> = self.status.iter().flat_map(|status| &status.workers).collect();
        let falling = |a: f64, b: f64| b.total_cmp(&a);
        let order = |a: &WorkerStatus, b: &WorkerStatus| match self.sort {
            Sort::Name => Ordering::Equal,
            Sort::State => urgency(a).cmp(&urgency(b)),
            Sort::Rate => falling(self.rate(a), self.rate(b)),
            Sort::P99 => falling(a.p99.unwrap_or(-1.0), b.p99.unwrap_or(-1.0)),
            Sort::Memory => b.memory.cmp(&a.memory),
            Sort::Restarts => b.restarts.cmp(&a.restarts),
        };
        workers.sort_by(|a, b| order(a, b)); // stable: else as the sidecar has them
        workers
    }

    /// Draws everything.
    pub fn draw(&mut self, frame: &mut Frame<'_>) {
        let area = frame.area();
        if area.width < LEAST.0 || area.height < LEAST.1 {
            let text =
                format!("top needs {}x{}, this is {}x{}; q quits", LEAST.0, LEAST.1, area.width, area.height);
            return frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
        }
        let mut above = self.above();
        above.push(self.header(area.width));
        let rows = usize::from(area.height).saturating_sub(above.len() + 1);
        let shown = self.rows(area.width, rows);
        let mut lines = above;
        lines.extend(shown);
        let body = Rect { height: area.height - 1, ..area };
        frame.render_widget(Paragraph::new(lines), body);
        let last = Rect { y: area.y + area.height - 1, height: 1, ..area };
        frame.render_widget(Paragraph::new(self.footer()), last);
    }

    /// The daemon, its pools, and why the rest is old.
    fn above(&self) -> Vec<Line<'static>> {
        let Some(status) = &self.status else {
            return vec![Line::from(self.silence.clone().unwrap_or_else(|| "asking ...".to_owned()))];
        };
        let stopping = if status.state == "running" { String::new() } else { format!("  {}", status.state) };
        let mut lines = vec![Line::from(vec![
            Span::from(format!("rustdaemon {}", status.version)).bold(),
            Span::from(format!("  up {}  {}{stopping}", ago(status.uptime), status.socket)),
        ])];
        lines.extend(status.pools.iter().take(POOL_LINES).map(|pool| self.pool(status, pool)));
        if let Some(more) = status.pools.len().checked_sub(POOL_LINES).filter(|more| *more > 0) {
            lines.push(Line::from(format!("and {more} more pools")));
        }
        if let Some(why) = &self.silence {
            lines.push(Line::from(format!("these are old: {why}")).red().bold());
        }
        lines
    }

    fn pool(&self, status: &Status, pool: &PoolStatus) -> Line<'static> {
        let own = || status.workers.iter().filter(|worker| worker.pool == pool.name);
        let up = own().filter(|worker| matches!(worker.state.as_str(), "idle" | "busy")).count();
        let rate: f64 = own().map(|worker| self.rate(worker)).sum();
        let reloading = if pool.reloading { ", reloading" } else { "" };
        let text = format!(
            ": {up} of {} up, generation {}{reloading}, {} in flight, {} waiting, {}/s",
            pool.workers.max(own().count()),
            pool.generation,
            pool.in_flight,
            pool.waiting,
            short(rate)
        );
        let style = if up == 0 { Style::new().fg(Color::Red) } else { Style::new() };
        Line::from(vec![Span::from(pool.name.clone()).bold(), Span::styled(text, style)])
    }

    /// The columns, the one that sorts in brackets.
    fn header(&self, width: u16) -> Line<'static> {
        let mark = |sort: Sort, word: &str| match self.sort == sort {
            true => format!("[{word}]"),
            false => word.to_owned(),
        };
        let words = [
            mark(Sort::Name, "WORKER"),
            mark(Sort::State, "STATE"),
            "AGE".to_owned(),
            "SERVED".to_owned(),
            mark(Sort::Rate, "RATE/s"),
            "P50".to_owned(),
            mark(Sort::P99, "P99"),
            mark(Sort::Memory, "MEM"),
            mark(Sort::Restarts, "RST"),
        ];
        Line::from(fit(&columns(&words, width), width.into()))
            .style(Style::new().add_modifier(Modifier::REVERSED))
    }

    /// The workers, as many as have room, the chosen one among them.
    fn rows(&mut self, width: u16, room: usize) -> Vec<Line<'static>> {
        let place = self.place();
        let (blocks, all_notes): (Vec<Vec<Line<'static>>>, usize) = {
            let sorted = self.sorted();
            let blocks: Vec<_> = sorted
                .iter()
                .enumerate()
                .map(|(at, worker)| self.block(worker, at == place, width))
                .collect();
            let lines = blocks.iter().map(Vec::len).sum();
            (blocks, lines)
        };
        let with_notes = all_notes <= room;
        let height = |at: usize, block: &[Line<'static>]| match with_notes || at == place {
            true => block.len(),
            false => 1,
        };
        self.first = self.first.min(place);
        let lines_to_chosen = |first: usize| -> usize {
            let those = blocks.iter().enumerate().take(place + 1).skip(first);
            those.map(|(at, block)| height(at, block)).sum()
        };
        while self.first < place && lines_to_chosen(self.first) > room {
            self.first += 1;
        }
        if with_notes {
            self.first = 0;
        }
        let shown = blocks.into_iter().enumerate().skip(self.first);
        let lines = shown.flat_map(|(at, block)| {
            let height = if with_notes || at == place { block.len() } else { 1 };
            block.into_iter().take(height)
        });
        lines.take(room).collect()
    }

    /// One worker: its figures, and below what it does and how the one before it ended.
    fn block(&self, worker: &WorkerStatus, is_chosen: bool, width: u16) -> Vec<Line<'static>> {
        let dash = || "-".to_owned();
        let words = [
            worker.name.clone(),
            worker.state.clone(),
            worker.age.map_or_else(dash, age),
            short(worker.served as f64),
            short(self.rate(worker)),
            worker.p50.map_or_else(dash, time),
            worker.p99.map_or_else(dash, time),
            worker.memory.map_or_else(dash, bytes),
            short(worker.restarts as f64),
        ];
        let chosen = if is_chosen { Modifier::REVERSED } else { Modifier::empty() };
        let style = Style::new().fg(colour(worker)).add_modifier(chosen);
        let mut lines = vec![Line::from(fit(&columns(&words, width), width.into())).style(style)];
        lines.extend(notes(worker, self.unix_time).into_iter().map(|note| {
            let colour = match note.kind {
                Kind::Doing => colour(worker),
                Kind::Awaited => Color::Yellow,
                Kind::Past | Kind::Script => Color::DarkGray,
            };
            Line::from(fit(&format!("    {}", note.text), width.into())).style(Style::new().fg(colour))
        }));
        lines
    }

    fn footer(&self) -> Line<'static> {
        match (&self.asked, &self.message) {
            (Some(Wish::Order { name, .. }), _) => {
                Line::from(format!(" restart {name}? y: yes, any other key: no")).yellow().bold()
            }
            (_, Some(message)) => Line::from(format!(" {}", message.replace('\n', " "))).bold(),
            _ => Line::from(KEYS).dim(),
        }
    }
}

/// What needs an eye first.
fn urgency(worker: &WorkerStatus) -> usize {
    let order =
        ["unkillable", "parked", "backoff", "stopped", "starting", "booted", "draining", "paused", "busy"];
    order.iter().position(|state| *state == worker.state).unwrap_or(order.len())
}

fn colour(worker: &WorkerStatus) -> Color {
    match (worker.state.as_str(), worker.doing.as_deref()) {
        ("unkillable" | "parked", _) | (_, Some("blocked" | "looping" | "frozen")) => Color::Red,
        ("backoff" | "stopped" | "starting" | "booted" | "draining", _) => Color::Yellow,
        ("paused", _) => Color::Cyan,
        ("busy", _) => Color::Green,
        _ => Color::Reset,
    }
}

/// The name has what the others leave.
fn columns(words: &[String; 9], width: u16) -> String {
    let [name, state, age, served, rate, p50, p99, memory, restarts] = words;
    let room = usize::from(width).saturating_sub(63).clamp(9, 40);
    let figures = format!("{age:>6} {served:>7} {rate:>8} {p50:>6} {p99:>6} {memory:>6} {restarts:>5}");
    format!(" {} {state:<10} {figures}", fit(name, room))
}

/// Exactly as wide: cut, with a mark, or filled.
fn fit(text: &str, width: usize) -> String {
    let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match shown.chars().count() > width {
        true => shown.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
        false => format!("{shown:<width$}"),
    }
}

/// A count or a rate in at most five characters: `7`, `0.3`, `12.4`, `1.2k`, `37M`.
fn short(number: f64) -> String {
    let scaled = |by: f64, unit: &str| match number / by {
        small if small < 9.95 => format!("{small:.1}{unit}"),
        large => format!("{large:.0}{unit}"),
    };
    match number {
        n if n < 100.0 && (n - n.round()).abs() > 0.04 => format!("{n:.1}"),
        n if n < 999.5 => format!("{n:.0}"),
        n if n < 999_500.0 => scaled(1e3, "k"),
        n if n < 999_500_000.0 => scaled(1e6, "M"),
        _ => scaled(1e9, "G"),
    }
}

/// `350us 1.2ms 45ms 3.1s 2m`.
fn time(seconds: f64) -> String {
    match seconds {
        s if s < 0.000_999_5 => format!("{:.0}us", s * 1e6),
        s if s < 0.009_95 => format!("{:.1}ms", s * 1e3),
        s if s < 0.999_5 => format!("{:.0}ms", s * 1e3),
        s if s < 9.95 => format!("{s:.1}s"),
        s if s < 120.0 => format!("{s:.0}s"),
        s => format!("{:.0}m", s / 60.0),
    }
}

/// `45s 12m 3h20 2d04`.
fn age(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86_400);
    match whole {
        0..120 => format!("{whole}s"),
        120..7200 => format!("{minutes}m"),
        7200..86_400 => format!("{hours}h{:02}", minutes % 60),
        _ => format!("{days}d{:02}", hours % 24),
    }
}

fn bytes(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    match mib {
        m if m < 9.95 => format!("{m:.1}M"),
        m if m < 1023.5 => format!("{m:.0}M"),
        m => format!("{:.1}G", m / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use rustdaemon_core::link::ExitReason;

    use super::*;

    fn worker(name: &str, state: &str) -> WorkerStatus {
        WorkerStatus {
            name: name.into(),
            pool: name.split('#').next().unwrap().into(),
            state: state.into(),
            age: Some(7_300.0),
            served: 1_234,
            p50: Some(0.001_2),
            p99: Some(0.045),
            memory: Some(25 << 20),
            ..WorkerStatus::default()
        }
    }

    fn status(workers: Vec<WorkerStatus>) -> Status {
        let pool = PoolStatus { name: "opcua".into(), workers: workers.len(), ..PoolStatus::default() };
        Status {
            version: "0.1.0".into(),
            state: "running".into(),
            uptime: 61.0,
            socket: "/run/app.sock".into(),
            pools: vec![pool],
            workers,
            ..Status::default()
        }
    }

    /// The lines of a terminal of this size, without the blanks at their ends.
    fn lines(screen: &mut Screen, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| screen.draw(frame)).unwrap();
        let buffer = terminal.backend().buffer();
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(line).collect()
    }

    fn press(screen: &mut Screen, code: KeyCode) -> Option<Wish> {
        screen.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn a_worker_has_its_figures_and_what_it_does_below() {
        let mut screen = Screen::default();
        assert_eq!(lines(&mut screen, 80, 24)[0], "asking ...");
        let start = Instant::now();
        let blocked = WorkerStatus {
            doing: Some("blocked".into()),
            doing_for: Some(9.0),
            doing_what: Some("plc.read, in file_get_contents() at /app/x.php:12".into()),
            last_exit: Some("killed by SIGKILL from outside".into()),
            last_exit_reason: Some(ExitReason { at: 1e9 - 300.0, ..ExitReason::default() }),
            restarts: 1,
            ..worker("opcua#0", "busy")
        };
        screen.take(status(vec![blocked.clone(), worker("opcua#1", "idle")]), start, 1e9);
        let faster = WorkerStatus { served: 1_474, ..blocked };
        screen.take(status(vec![faster, worker("opcua#1", "idle")]), start + Duration::from_secs(2), 1e9);
        let shown = lines(&mut screen, 80, 24);
        assert_eq!(shown[0], "rustdaemon 0.1.0  up 61 s  /run/app.sock");
        assert_eq!(shown[1], "opcua: 2 of 2 up, generation 0, 0 in flight, 0 waiting, 120/s");
        assert_eq!(
            shown[2],
            " [WORKER]          STATE         AGE  SERVED   RATE/s    P50    P99    MEM   RST"
        );
        assert_eq!(
            shown[3],
            " opcua#0           busy         2h01    1.5k      120  1.2ms   45ms    25M     1"
        );
        assert_eq!(shown[4], "    blocked 9 s: plc.read, in file_get_contents() at /app/x.php:12");
        assert_eq!(shown[5], "    last ended 5 min ago: killed by SIGKILL from outside");
        assert!(shown[6].starts_with(" opcua#1           idle"));
        assert_eq!(shown[23], KEYS);
    }

    #[test]
    fn a_small_terminal_is_told_what_is_needed() {
        let mut screen = Screen::default();
        screen.take(status(vec![worker("opcua#0", "idle")]), Instant::now(), 1e9);
        let shown = lines(&mut screen, 20, 5).join(" ");
        assert_eq!(shown.trim(), "top needs 72x8, this is 20x5; q quits");
        for (width, height) in [(1, 1), (71, 24), (80, 7), (72, 8), (300, 100)] {
            lines(&mut screen, width, height);
        }
        assert_eq!(press(&mut screen, KeyCode::Char('q')), Some(Wish::End));
    }

    #[test]
    fn many_workers_scroll_with_the_choice() {
        let mut screen = Screen::default();
        let named = |n: usize| WorkerStatus {
            last_exit: Some(format!("exit {n}")),
            ..worker(&format!("opcua#{n}"), "idle")
        };
        screen.take(status((0..40).map(named).collect()), Instant::now(), 1e9);
        let shown = lines(&mut screen, 80, 24);
        assert!(shown[3].starts_with(" opcua#0") && shown[4] == "    last ended: exit 0", "{shown:?}");
        assert!(shown[5].starts_with(" opcua#1") && shown[6].starts_with(" opcua#2"), "{shown:?}");
        press(&mut screen, KeyCode::End);
        let shown = lines(&mut screen, 80, 24);
        assert!(shown[21].starts_with(" opcua#39") && shown[22] == "    last ended: exit 39", "{shown:?}");
        press(&mut screen, KeyCode::Up);
        let shown = lines(&mut screen, 80, 24);
        assert!(shown[20].starts_with(" opcua#38") || shown[21].starts_with(" opcua#38"), "{shown:?}");
        press(&mut screen, KeyCode::Home);
        assert!(lines(&mut screen, 80, 24)[3].starts_with(" opcua#0"));
        screen.take(status(vec![]), Instant::now(), 1e9);
        assert_eq!(press(&mut screen, KeyCode::Down), None);
        assert_eq!(press(&mut screen, KeyCode::Char('r')), None);
        lines(&mut screen, 80, 24);
    }

    #[test]
    fn keys_sort_pause_and_restart() {
        let mut screen = Screen::default();
        let workers = vec![
            worker("opcua#0", "idle"),
            WorkerStatus { memory: Some(90 << 20), ..worker("opcua#1", "paused") },
            WorkerStatus {
                restarts: 7,
                p99: Some(3.0),
                last_exit: Some("exit 3".into()),
                last_exit_reason: Some(ExitReason { log: vec!["no route".into()], ..ExitReason::default() }),
                ..worker("opcua#2", "parked")
            },
        ];
        screen.take(status(workers), Instant::now(), 1e9);
        let first = |screen: &mut Screen| {
            lines(screen, 80, 24)[3].split_whitespace().next().unwrap_or_default().to_owned()
        };
        for expected in ["opcua#2", "opcua#0", "opcua#2", "opcua#1", "opcua#2", "opcua#0"] {
            press(&mut screen, KeyCode::Char('s'));
            assert_eq!(first(&mut screen), expected, "{:?}", screen.sort);
        }
        let order = |method, name: &str| Some(Wish::Order { method, name: name.into() });
        assert_eq!(press(&mut screen, KeyCode::Char('p')), order("worker.pause", "opcua#0"));
        press(&mut screen, KeyCode::Down);
        assert_eq!(press(&mut screen, KeyCode::Char('p')), order("worker.resume", "opcua#1"));
        assert_eq!(press(&mut screen, KeyCode::Char('r')), None);
        assert_eq!(lines(&mut screen, 80, 24)[23], " restart opcua#1? y: yes, any other key: no");
        assert_eq!(press(&mut screen, KeyCode::Char('n')), None);
        press(&mut screen, KeyCode::Char('r'));
        assert_eq!(press(&mut screen, KeyCode::Char('y')), order("worker.restart", "opcua#1"));
        assert_eq!(lines(&mut screen, 80, 24)[23], " restarting opcua#1 ...");
        let shown = lines(&mut screen, 80, 24);
        let at = shown.iter().position(|line| line.starts_with(" opcua#2")).unwrap();
        assert_eq!(shown[at + 1..at + 3], ["    last ended: exit 3", "    its last line: no route"]);
        screen.say("opcua#1 is idle".into());
        assert_eq!(lines(&mut screen, 80, 24)[23], " opcua#1 is idle");
        screen.silent("no answer".into());
        assert_eq!(lines(&mut screen, 80, 24)[2], "these are old: no answer");
    }

    #[test]
    fn figures_are_short() {
        let shown = [0.0, 0.3, 12.4, 99.0, 120.4, 1_234.0, 45_678.0, 999_900.0, 3e7, 5e9].map(short);
        assert_eq!(shown, ["0", "0.3", "12.4", "99", "120", "1.2k", "46k", "1.0M", "30M", "5.0G"]);
        let shown = [0.000_35, 0.001_2, 0.045, 3.1, 45.0, 600.0].map(time);
        assert_eq!(shown, ["350us", "1.2ms", "45ms", "3.1s", "45s", "10m"]);
        assert_eq!([45.0, 600.0, 12_000.0, 190_000.0].map(age), ["45s", "10m", "3h20", "2d04"]);
        assert_eq!([3 << 20, 250 << 20, 3 << 30].map(bytes), ["3.0M", "250M", "3.0G"]);
    }
}
