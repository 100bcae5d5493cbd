//! The page as both sides see it.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn pair() -> (SlotPage, SlotPage) {
    let (fd, sidecar) = SlotPage::create().unwrap();
    let worker = SlotPage::attach(fd.as_fd()).unwrap();
    (sidecar, worker)
}

#[test]
fn what_the_worker_stores_the_sidecar_reads() {
    let (sidecar, worker) = pair();
    assert_eq!(sidecar.observe(), Observation::default());
    worker.begin(7, b"plc.read", 3 * SECOND);
    let in_hand = sidecar.observe();
    assert_eq!((in_hand.begun, in_hand.in_hand_since, in_hand.served), (7, Some(3 * SECOND), 0));
    assert_eq!((in_hand.phase, in_hand.busy_since), (Phase::Busy, Some(3 * SECOND)));
    assert_eq!(sidecar.what().as_deref(), Some("plc.read"));
    worker.end();
    let after = sidecar.observe();
    assert_eq!((after.begun, after.in_hand_since, after.served), (7, None, 1));
    assert_eq!((after.phase, after.busy_since), (Phase::Idle, None));
}

#[test]
fn a_request_is_begun_or_taken_back_and_never_both() {
    let (sidecar, worker) = pair();
    let claim = |sequence| Claim { word: 5, sequence };
    sidecar.offer(claim(1));
    assert!(!worker.is_recalled(claim(1)) && worker.claim(claim(1)));
    assert!(!sidecar.recall(claim(1)) && !worker.claim(claim(1)));
    assert_eq!(sidecar.started(), [1]);
    sidecar.offer(claim(2));
    assert!(sidecar.recall(claim(2)) && worker.is_recalled(claim(2)) && !worker.claim(claim(2)));
    sidecar.offer(claim(3));
    assert!(!worker.claim(claim(2)), "its frame is read after the word was used again");
    assert!(!sidecar.recall(claim(2)) && worker.claim(claim(3)));
    let nowhere = Claim { word: 64, sequence: 1 };
    sidecar.offer(nowhere);
    assert!(!worker.claim(nowhere) && !sidecar.recall(nowhere) && worker.is_recalled(nowhere));
}

#[test]
fn of_worker_and_sidecar_exactly_one_wins() {
    let (sidecar, worker) = pair();
    let rounds = 2_000;
    let start = std::sync::Barrier::new(2);
    let round = |act: &dyn Fn(Claim) -> bool| {
        let won = |sequence| {
            start.wait();
            act(Claim { word: 0, sequence })
        };
        (1..=rounds).map(won).collect::<Vec<bool>>()
    };
    std::thread::scope(|scope| {
        let begun = scope.spawn(|| {
            round(&|claim| {
                while worker.layout().claims[0].load(Ordering::Acquire) >> 2 != claim.sequence {}
                worker.claim(claim)
            })
        });
        let back = round(&|claim| {
            sidecar.offer(claim);
            std::hint::spin_loop();
            sidecar.recall(claim)
        });
        for (begun, back) in begun.join().unwrap().into_iter().zip(back) {
            assert!(begun != back);
        }
    });
}

#[test]
fn beats_that_are_not_answered_are_counted_while_somebody_should() {
    let (sidecar, worker) = pair();
    worker.busy(Phase::OwnBusy, b"job", Some(9 * SECOND), SECOND);
    assert_eq!(worker.beat(2 * SECOND, None), 1);
    worker.beat(3 * SECOND, Some((SECOND, 2 * SECOND)));
    let seen = sidecar.observe();
    assert_eq!((seen.beats, seen.unanswered, seen.alive_at), (2, 2, Some(3 * SECOND)));
    assert_eq!((seen.cpu, seen.deadline), (Some((SECOND, 2 * SECOND)), Some(9 * SECOND)));
    worker.answer(b"f() at /x.php:1", 4 * SECOND);
    let seen = sidecar.observe();
    assert_eq!((seen.unanswered, seen.progress_at, seen.place_at), (0, Some(4 * SECOND), Some(4 * SECOND)));
    assert_eq!(sidecar.place().as_deref(), Some("f() at /x.php:1"));
    worker.waits(Call::Sleep);
    worker.beat(5 * SECOND, None);
    assert_eq!(sidecar.observe().waiting, Some(Call::Sleep));
    worker.woke();
    assert_eq!((sidecar.observe().waiting, sidecar.observe().unanswered), (None, 0));
    worker.progressed(Some(b"row 7"), 6 * SECOND);
    assert_eq!(sidecar.observe().progressed_at, Some(6 * SECOND));
    assert_eq!(sidecar.status().as_deref(), Some("row 7"));
    worker.busy(Phase::OwnBusy, b"next", None, 7 * SECOND);
    assert_eq!((sidecar.observe().progressed_at, sidecar.status()), (None, None));
    assert_eq!(worker.job(), Some(("next".into(), None)));
    worker.busy(Phase::OwnBusy, b"", Some(9 * SECOND), 7 * SECOND);
    assert_eq!(worker.job(), Some((String::new(), Some(9 * SECOND))));
    worker.busy(Phase::Busy, b"plc.read", None, 7 * SECOND);
    assert_eq!(worker.job(), None);
    worker.pause(true);
    worker.blind(true);
    assert!(sidecar.observe().paused && sidecar.observe().blind);
    worker.pause(false);
    assert!(!sidecar.observe().paused && sidecar.observe().blind);
}

#[test]
fn failures_keep_class_message_file_and_line() {
    let (sidecar, worker) = pair();
    assert_eq!((sidecar.fatal_error(), sidecar.last_exception()), (None, None));
    worker.fatal(b"Allowed memory size\0 exhausted", b"/app/x.php", 4_294_967_295);
    let fatal = sidecar.fatal_error().unwrap();
    assert_eq!((fatal.message.as_str(), fatal.line), ("Allowed memory size  exhausted", u32::MAX));
    assert_eq!((fatal.file.as_str(), fatal.class), ("/app/x.php", None));
    assert!(worker.has_fatal());
    worker.forget_fatal();
    assert_eq!((worker.has_fatal(), sidecar.fatal_error()), (false, None));
    worker.thrown(b"class@anonymous\0/app/x.php:3", b"m", b"/app/y.php", 0, SECOND);
    let thrown = sidecar.last_exception().unwrap();
    assert_eq!((thrown.class.as_deref(), thrown.message.as_str()), (Some("class@anonymous"), "m"));
    assert_eq!((thrown.line, thrown.at), (0, Some(SECOND)));
    worker.thrown(b"E", &[b'x'; 5000], b"/app/y.php", 1, SECOND);
    assert!(sidecar.last_exception().unwrap().message.len() > 900);
}

#[test]
fn a_text_is_whole_or_not_there() {
    let (sidecar, worker) = pair();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..50_000_u32 {
                worker.found(&[b'a' + u8::try_from(round % 26).unwrap(); 300], SECOND);
            }
        });
        while !writer.is_finished() {
            if let Some(text) = sidecar.place() {
                let first = text.as_bytes()[0];
                assert!(text.len() == 300 && text.bytes().all(|byte| byte == first), "{text}");
            }
        }
    });
}

#[test]
fn a_writer_that_died_in_the_middle_holds_nobody_up() {
    let (sidecar, worker) = pair();
    worker.layout().place.sequence.store(7, Ordering::Relaxed);
    assert_eq!(sidecar.place(), None);
    worker.found(b"x", SECOND);
    assert_eq!(sidecar.place(), None);
    worker.layout().status.length.store(u32::MAX, Ordering::Relaxed);
    assert_eq!(sidecar.status().map(|text| text.len()), Some(248), "the length is not believed");
}

#[test]
fn any_version_is_attached_and_nothing_foreign() {
    let (fd, page) = SlotPage::create().unwrap();
    for (version, attached) in [(1, true), (VERSION + 1, true), (0, false)] {
        page.layout().version.store(version, Ordering::Relaxed);
        assert_eq!(SlotPage::attach(fd.as_fd()).is_ok(), attached);
    }
    assert!(SlotPage::attach(sys::sealed_memory(c"x", PAGE_BYTES).unwrap().as_fd()).is_err());
    assert!(SlotPage::attach(sys::sealed_memory(c"x", 8).unwrap().as_fd()).is_err());
    assert!(SlotPage::attach(sys::pipe().unwrap().read.as_fd()).is_err());
}
