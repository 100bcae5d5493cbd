//! The pulse, with a process of its own for each test.

use std::time::Instant;

use super::*;
use crate::slot::{Call, Phase};

const PATIENCE: Duration = Duration::from_secs(20);

fn heart(period: Duration) -> (&'static Heart, &'static SlotPage, &'static AtomicBool) {
    let (fd, _) = SlotPage::create().unwrap();
    let page: &'static SlotPage = Box::leak(Box::new(SlotPage::attach(fd.as_fd()).unwrap()));
    let interrupt: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
    let heart: &'static Heart =
        Box::leak(Box::new(Heart::new(period, Box::leak(Box::new(AtomicU32::new(0))))));
    heart.attach(page, interrupt, None);
    (heart, page, interrupt)
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::yield_now();
    }
}

fn begin(heart: &'static Heart, page: &SlotPage) {
    page.busy(Phase::Busy, b"work", None, sys::monotonic());
    heart.busy();
}

#[test]
fn nothing_is_started_before_there_is_work() {
    let (heart, page, _) = heart(Duration::from_millis(1));
    assert_eq!((heart.state.load(Ordering::SeqCst), page.observe().beats), (NONE, 0));
    heart.stop();
    heart.busy();
    assert_eq!(heart.state.load(Ordering::SeqCst), NONE, "no page, no thread");
}

#[test]
fn it_beats_while_there_is_work_and_sleeps_afterwards() {
    let (heart, page, _) = heart(Duration::from_millis(2));
    begin(heart, page);
    eventually("five beats", || page.observe().beats >= 5);
    page.end();
    eventually("it sleeps", || heart.state.load(Ordering::SeqCst) == SLEEPING);
    let beats = page.observe().beats;
    std::thread::sleep(Duration::from_millis(50)); // 25 periods: nothing may come, however long one looks
    assert_eq!(page.observe().beats, beats, "no beat while it sleeps");
    begin(heart, page);
    eventually("it beats again", || page.observe().beats > beats);
    heart.stop();
}

#[test]
fn no_wake_up_is_lost() {
    let (heart, page, _) = heart(Duration::from_micros(200));
    for round in 0..3_000_u32 {
        begin(heart, page);
        let beats = page.observe().beats;
        eventually("a beat", || page.observe().beats > beats);
        page.end();
        // Into each part of the way to sleep.
        for _ in 0..(round * 7) % 5_000 {
            std::hint::spin_loop();
        }
    }
    heart.stop();
}

#[test]
fn it_asks_who_is_busy_and_nobody_else() {
    let (heart, page, interrupt) = heart(Duration::from_millis(2));
    begin(heart, page);
    eventually("it asks", || interrupt.swap(false, Ordering::SeqCst));
    assert_eq!(heart.attention.load(Ordering::Relaxed), ASKED);
    eventually("two beats without an answer", || page.observe().unanswered >= UNANSWERED);
    heart.answer();
    assert!(page.observe().progress_at.is_some());
    page.waits(Call::Sleep);
    let beats = page.observe().beats;
    eventually("a beat begun in the wait", || page.observe().beats >= beats + 2);
    heart.attention.store(0, Ordering::SeqCst);
    interrupt.store(false, Ordering::SeqCst);
    let beats = page.observe().beats;
    eventually("more beats", || page.observe().beats >= beats + 3);
    assert!(!interrupt.load(Ordering::SeqCst) && heart.attention.load(Ordering::SeqCst) == 0);
    page.woke();
    eventually("it asks again", || interrupt.load(Ordering::SeqCst));
    heart.stop();
}

#[test]
fn it_tells_burning_from_waiting() {
    let (heart, page, _) = heart(Duration::from_millis(20));
    begin(heart, page);
    let share = || page.observe().cpu.map(|(used, over)| used.as_secs_f64() / over.as_secs_f64());
    eventually("burning", || share().is_some_and(|share| share > 0.5));
    eventually("waiting", || {
        std::thread::sleep(Duration::from_millis(50));
        share().is_some_and(|share| share < 0.3)
    });
    heart.stop();
}

/// A frame as the virtual machine has them, with offsets of our own.
#[repr(C)]
struct Toy {
    function: usize,
    instruction: usize,
    previous: usize,
    kind: u8,
    name: usize,
    class: usize,
    file: usize,
    line: u32,
}

#[test]
fn the_place_is_read_from_inside_and_outside() {
    fn text(text: &str) -> usize {
        let mut bytes = text.len().to_ne_bytes().to_vec();
        bytes.extend_from_slice(text.as_bytes());
        bytes.leak().as_ptr().expose_provenance()
    }
    fn toy(name: usize, class: usize, kind: u8, previous: usize) -> usize {
        let toy = Toy { function: 0, instruction: 0, previous, kind, name, class, file: 0, line: 12 };
        let toy = Box::leak(Box::new(toy));
        let own = std::ptr::from_ref(toy).expose_provenance();
        (toy.function, toy.instruction) = (own, own);
        toy.file = text("/app/x.php");
        own
    }
    let class = Box::leak(Box::new(text("App\\Plc"))) as *const usize;
    let main = toy(0, 0, 2, 0);
    let method = toy(text("read"), class.expose_provenance(), 2, main);
    let native = toy(text("file_get_contents"), 0, 1, method);
    let at = |top: usize| Frames {
        current: std::ptr::from_ref(Box::leak(Box::new(top))).expose_provenance(),
        function: std::mem::offset_of!(Toy, function),
        instruction: std::mem::offset_of!(Toy, instruction),
        previous: std::mem::offset_of!(Toy, previous),
        kind: std::mem::offset_of!(Toy, kind),
        native: 1,
        name: std::mem::offset_of!(Toy, name),
        class: std::mem::offset_of!(Toy, class),
        class_name: 0,
        file: std::mem::offset_of!(Toy, file),
        line: std::mem::offset_of!(Toy, line),
        length: 0,
        bytes: size_of::<usize>(),
    };
    let said =
        |place: Option<Place>| place.map(|place| String::from_utf8_lossy(place.as_bytes()).into_owned());
    for (top, expected) in [
        (native, "file_get_contents() at /app/x.php:12"),
        (method, "App\\Plc::read() at /app/x.php:12"),
        (main, "/app/x.php:12"),
        (0, ""),
    ] {
        // SAFETY: live memory of ours.
        let (inside, outside) = unsafe { (locate(&Direct, &at(top)), locate(&Outside, &at(top))) };
        assert_eq!(said(inside).as_deref(), Some(expected));
        assert_eq!(said(outside).as_deref(), Some(expected));
    }
    for nowhere in [8, usize::MAX - 64, usize::MAX] {
        // SAFETY: any address may be looked at from outside.
        assert_eq!(said(unsafe { locate(&Outside, &at(nowhere)) }), None);
    }
    // A stray length must not be believed.
    let endless = toy(Box::leak(Box::new([usize::MAX; 2])).as_ptr().expose_provenance(), 0, 1, main);
    // SAFETY: as above.
    assert_eq!(said(unsafe { locate(&Outside, &at(endless)) }), None);
}
