//! Who is taken out, and who is not.

use proptest::prelude::*;

use super::*;
use crate::Times;

const LOOK_MS: u64 = 100;

const RULES: Rules = Rules {
    errors: 5,
    success_percent: None,
    latency_percent: None,
    max_percent: 50,
    time_ms: 30_000,
    probation_ms: 10_000,
};

/// A pool under judgement.
struct Stage {
    rules: Rules,
    judge: Judge,
    cases: Vec<Case>,
    is_up: Vec<bool>,
    now_ms: u64,
}

/// What a server does between two looks.
#[derive(Debug, Clone, Copy)]
struct Does {
    good: u64,
    failures: u64,
    latency_us: u32,
}

const WELL: Does = Does { good: 10, failures: 0, latency_us: 4000 };
const FAILS: Does = Does { good: 0, failures: 10, latency_us: 0 };
const NOTHING: Does = Does { good: 0, failures: 0, latency_us: 0 };
const SLOW: Does = Does { latency_us: 40_000, ..WELL };

impl Stage {
    fn new(servers: usize, rules: Rules) -> Self {
        let cases = (0..servers).map(|_| Case { has_weight: true, ..Case::default() }).collect();
        Self { rules, judge: Judge::default(), cases, is_up: vec![true; servers], now_ms: 0 }
    }

    /// One look; what came of it, as `SERVER:WORD`.
    fn look(&mut self, does: &[Does]) -> Vec<Verdict> {
        self.now_ms += LOOK_MS;
        for ((case, does), &is_up) in self.cases.iter_mut().zip(does).zip(&self.is_up) {
            case.is_up = is_up;
            case.seen = Seen::default();
            if is_up && !case.record.is_out() {
                case.seen = Seen {
                    good: does.good,
                    failures: does.failures,
                    tail: if does.good > 0 { does.failures.min(1) } else { does.failures },
                    times: Times::of((0..does.good).map(|_| does.latency_us)),
                };
            }
        }
        self.judge.look(&self.rules, self.now_ms, &mut self.cases)
    }

    /// So long, until something happens: how long it took, and what it was.
    fn until(&mut self, ms: u64, does: &[Does]) -> Option<(u64, Vec<String>)> {
        let began_ms = self.now_ms;
        while self.now_ms < began_ms + ms {
            let verdicts = self.look(does);
            if !verdicts.is_empty() {
                return Some((self.now_ms - began_ms, verdicts.iter().map(said).collect()));
            }
        }
        None
    }

    #[track_caller]
    fn expect_nothing(&mut self, ms: u64, does: &[Does]) {
        assert_eq!(self.until(ms, does), None);
    }

    /// The first thing that happens within so long.
    #[track_caller]
    fn expect(&mut self, within_ms: u64, does: &[Does], expected: &[&str]) -> u64 {
        let (ms, said) = self.until(within_ms, does).unwrap_or_else(|| panic!("nothing, for {expected:?}"));
        assert_eq!(said, expected);
        ms
    }

    fn out(&self) -> usize {
        self.cases.iter().filter(|case| case.record.is_out()).count()
    }
}

fn said(verdict: &Verdict) -> String {
    let what = match verdict.sentence {
        Sentence::Eject { cause, time_ms } => format!("{} for {}s", cause.word(), time_ms / 1000),
        Sentence::Release { probation: true } => "probation".to_owned(),
        Sentence::Release { probation: false } => "released".to_owned(),
        Sentence::Hold { cause } => format!("held {}", cause.word()),
    };
    format!("{}: {what}", verdict.case)
}

#[test]
fn a_server_that_fails_is_out_within_a_second_and_comes_back_on_probation() {
    let mut stage = Stage::new(4, RULES);
    stage.expect_nothing(5000, &[WELL; 4]);
    let took_ms = stage.expect(2000, &[FAILS, WELL, WELL, WELL], &["0: errors for 30s"]);
    assert!(took_ms <= 1000, "{took_ms}");
    let out_ms = stage.expect(60_000, &[FAILS, WELL, WELL, WELL], &["0: probation"]);
    assert_eq!(out_ms, 30_000);
    // It has not become better: out at once, and longer.
    assert_eq!(stage.expect(1000, &[FAILS, WELL, WELL, WELL], &["0: errors for 60s"]), LOOK_MS);
    stage.expect(60_000, &[WELL; 4], &["0: probation"]);
    stage.expect_nothing(300_000, &[WELL; 4]);
}

#[test]
fn ejections_grow_up_to_a_bound_and_are_forgotten_one_by_one() {
    let mut stage = Stage::new(2, RULES);
    let mut times = Vec::new();
    for _ in 0..12 {
        let (_, said) = stage.until(1_000_000, &[FAILS, WELL]).unwrap();
        times.push(said[0].clone());
        stage.until(1_000_000, &[FAILS, WELL]).unwrap();
    }
    let expected = [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300];
    assert_eq!(times, expected.map(|s| format!("0: errors for {s}s")));
    // Eight times of good behaviour, eight ejections forgotten; and then none is left.
    stage.expect_nothing(8 * 30_000 + 5000, &[WELL; 2]);
    stage.expect(2000, &[FAILS, WELL], &["0: errors for 90s"]);
    stage.expect(90_000, &[WELL; 2], &["0: probation"]);
    stage.expect_nothing(600_000, &[WELL; 2]);
    stage.expect(2000, &[FAILS, WELL], &["0: errors for 30s"]);
}

#[test]
fn a_server_that_is_hardly_asked_is_not_taken_for_well() {
    let mut stage = Stage::new(2, RULES);
    stage.expect(2000, &[FAILS, WELL], &["0: errors for 30s"]);
    stage.expect(40_000, &[FAILS, WELL], &["0: probation"]);
    stage.expect_nothing(300_000, &[NOTHING, WELL]);
    let once = Does { failures: 1, ..NOTHING };
    assert_eq!(stage.look(&[once, WELL]), []);
    stage.expect_nothing(30_000, &[NOTHING, WELL]);
    stage.expect(LOOK_MS, &[once, WELL], &["0: errors for 60s"]);
}

#[test]
fn what_all_servers_do_is_no_reason() {
    let mut stage = Stage::new(3, RULES);
    stage.expect_nothing(10_000, &[WELL; 3]);
    stage.expect_nothing(60_000, &[FAILS; 3]);
    stage.expect_nothing(60_000, &[WELL; 3]);
    // On probation neither.
    stage.expect(2000, &[FAILS, WELL, WELL], &["0: errors for 30s"]);
    stage.expect(31_000, &[WELL; 3], &["0: probation"]);
    stage.expect_nothing(60_000, &[FAILS; 3]);
}

#[test]
fn good_answers_between_keep_a_server() {
    let mixed = Does { good: 1, failures: 100, latency_us: 4000 };
    let mut stage = Stage::new(3, RULES);
    stage.expect_nothing(60_000, &[mixed, WELL, WELL]);
    // But a share may be asked for.
    let mut stage = Stage::new(3, Rules { success_percent: Some(90), ..RULES });
    let took_ms = stage.expect(10_000, &[mixed, WELL, WELL], &["0: success_rate for 30s"]);
    assert!((3000..=5000).contains(&took_ms), "{took_ms}");
    let mut stage = Stage::new(3, Rules { success_percent: Some(90), ..RULES });
    stage.expect_nothing(60_000, &[mixed; 3]);
    let nearly = Does { good: 19, failures: 1, latency_us: 4000 };
    stage.expect_nothing(60_000, &[nearly, WELL, WELL]);
}

#[test]
fn a_server_that_is_slow_is_out_and_comes_back_when_it_is_not() {
    let rules = Rules { latency_percent: Some(300), ..RULES };
    let mut stage = Stage::new(3, rules);
    stage.expect_nothing(10_000, &[WELL; 3]);
    let took_ms = stage.expect(10_000, &[SLOW, WELL, WELL], &["0: latency for 30s"]);
    assert!((2000..=4500).contains(&took_ms), "{took_ms}");
    stage.expect(40_000, &[SLOW, WELL, WELL], &["0: probation"]);
    // One round is enough now.
    let took_ms = stage.expect(10_000, &[SLOW, WELL, WELL], &["0: latency for 60s"]);
    assert!(took_ms <= 2000, "{took_ms}");
    stage.expect(70_000, &[WELL; 3], &["0: probation"]);
    stage.expect_nothing(300_000, &[WELL; 3]);
    // When all become slow, it is the new measure.
    stage.expect_nothing(60_000, &[SLOW; 3]);
    let twice = Does { latency_us: 8000, ..WELL };
    stage.expect_nothing(60_000, &[twice, WELL, WELL]);
    // Of two, one is compared with the other.
    let mut stage = Stage::new(2, rules);
    stage.expect(10_000, &[WELL, SLOW], &["1: latency for 30s"]);
}

#[test]
fn a_pause_of_a_second_is_no_reason() {
    let rules = Rules { latency_percent: Some(300), ..RULES };
    let mut stage = Stage::new(3, rules);
    stage.expect_nothing(10_000, &[WELL; 3]);
    for _ in 0..10 {
        stage.expect_nothing(1000, &[SLOW, WELL, WELL]);
        stage.expect_nothing(3000, &[WELL; 3]);
    }
    let quick = Does { latency_us: 100, ..WELL };
    let less_quick = Does { latency_us: 900, ..WELL };
    stage.expect_nothing(60_000, &[less_quick, quick, quick]);
}

#[test]
fn little_traffic_takes_longer_but_is_judged() {
    let mut stage = Stage::new(2, Rules { latency_percent: Some(300), ..RULES });
    let one = |does| [Does { good: 1, ..does }, Does { good: 1, ..WELL }];
    let mut looks = 0;
    let verdicts = loop {
        looks += 1;
        // Two answers per second.
        let verdicts = if looks % 5 == 0 { stage.look(&one(SLOW)) } else { stage.look(&[NOTHING; 2]) };
        if !verdicts.is_empty() {
            break verdicts;
        }
        assert!(looks < 600, "not within a minute");
    };
    assert_eq!(said(&verdicts[0]), "0: latency for 30s");
}

#[test]
fn no_more_than_max_are_out_and_the_last_stays() {
    let check = |servers, percent, expected| {
        assert_eq!(
            Rules { max_percent: percent, ..RULES }.out_max(servers),
            expected,
            "{percent}% of {servers}"
        );
    };
    check(1, 100, 0);
    check(2, 10, 1);
    check(2, 100, 2);
    check(3, 30, 1);
    check(10, 30, 3);
    check(10, 39, 3);
    check(100_000, 30, 30_000);

    let mut stage = Stage::new(4, Rules { max_percent: 30, ..RULES });
    stage.expect_nothing(1000, &[WELL; 4]);
    stage.expect(2000, &[FAILS, WELL, WELL, WELL], &["0: errors for 30s"]);
    stage.expect(2000, &[FAILS, FAILS, WELL, WELL], &["1: held errors"]);
    stage.expect_nothing(5000, &[FAILS, FAILS, WELL, WELL]);
    stage.expect_nothing(500, &[FAILS, WELL, WELL, WELL]);
    stage.expect(2000, &[FAILS, FAILS, WELL, WELL], &["1: held errors"]);

    // The others are down: what is left stays, and those that are out come in.
    let mut stage = Stage::new(4, Rules { max_percent: 100, ..RULES });
    stage.expect_nothing(1000, &[WELL; 4]);
    stage.expect(2000, &[FAILS, WELL, WELL, WELL], &["0: errors for 30s"]);
    stage.is_up = vec![true, true, false, false];
    stage.expect(2000, &[NOTHING, FAILS, NOTHING, NOTHING], &["1: held errors"]);
    stage.is_up = vec![true, false, false, false];
    stage.expect(2000, &[NOTHING; 4], &["0: released"]);
}

#[test]
fn a_server_that_is_alone_is_not_judged() {
    let mut stage = Stage::new(1, RULES);
    stage.expect_nothing(10_000, &[FAILS]);
}

#[test]
fn the_worst_goes_first() {
    let mut stage = Stage::new(4, Rules { latency_percent: Some(300), ..RULES });
    let slower = Does { latency_us: 400_000, ..WELL };
    stage.expect_nothing(1000, &[WELL; 4]);
    stage.rules.max_percent = 25;
    stage.expect(10_000, &[SLOW, slower, WELL, WELL], &["1: latency for 30s", "0: held latency"]);
}

#[test]
fn checks_go_first() {
    let mut stage = Stage::new(3, RULES);
    stage.expect(2000, &[FAILS, WELL, WELL], &["0: errors for 30s"]);
    stage.is_up[0] = false;
    stage.expect(200, &[WELL; 3], &["0: released"]);
    stage.is_up[0] = true;
    stage.expect_nothing(1000, &[WELL; 3]);
    // What was is not forgotten at once.
    stage.expect(2000, &[FAILS, WELL, WELL], &["0: errors for 60s"]);
}

#[test]
fn a_smaller_max_lets_the_surplus_in() {
    let mut stage = Stage::new(4, RULES);
    stage.expect_nothing(1000, &[WELL; 4]);
    stage.expect(2000, &[FAILS, FAILS, WELL, WELL], &["0: errors for 30s", "1: errors for 30s"]);
    stage.rules.max_percent = 25;
    stage.expect(200, &[WELL; 4], &["0: probation"]);
    let verdicts: Vec<String> = Judge::release_all(&mut stage.cases).iter().map(said).collect();
    assert_eq!(verdicts, ["1: released"]);
}

#[test]
fn reasons_are_for_a_person() {
    let reason = |rules, does: &[Does]| {
        let mut stage = Stage::new(does.len(), rules);
        let mut verdicts = Vec::new();
        while verdicts.is_empty() {
            verdicts = stage.look(does);
            assert!(stage.now_ms < 60_000);
        }
        verdicts.remove(0).reason
    };
    assert_eq!(
        reason(RULES, &[FAILS, WELL, WELL]),
        "60 errors in a row; in 500ms the others failed 0 of 120"
    );
    let mixed = Does { good: 1, failures: 3, latency_us: 4000 };
    assert_eq!(
        reason(Rules { success_percent: Some(90), ..RULES }, &[mixed, WELL, WELL]),
        "25% of its last 80 answers were good, below 90%; of the others' 100%"
    );
    assert_eq!(
        reason(Rules { latency_percent: Some(250), ..RULES }, &[SLOW, WELL, WELL]),
        "its answers take 40ms, more than 2.5 times the pool's median of 4.0ms"
    );
}

/// Equal servers whose answers vary as answers do: half an hour of it ejects nobody.
#[test]
fn chance_ejects_nobody() {
    let rules = Rules { success_percent: Some(90), latency_percent: Some(300), ..RULES };
    for (seed, answers_max) in [(1, 2), (2, 6), (3, 40)] {
        let mut rng = crate::Rng::new(seed);
        let mut stage = Stage::new(4, rules);
        for _ in 0..30 * 60 * 10 {
            stage.now_ms += LOOK_MS;
            for case in &mut stage.cases {
                let seen = &mut case.seen;
                (*seen, case.is_up) = (Seen::default(), true);
                for _ in 0..rng.below(answers_max + 1) {
                    if rng.below(20) == 0 {
                        (seen.failures, seen.tail) = (seen.failures + 1, seen.tail + 1);
                        continue;
                    }
                    // Exponential, and one of a hundred takes a hundred times as long.
                    let uniform = (rng.below(1 << 30) + 1) as f64 / f64::from(1 << 30);
                    let factor = if rng.below(100) == 0 { 1e6 } else { 1e4 };
                    (seen.good, seen.tail) = (seen.good + 1, 0);
                    seen.times.add(Times::of([(-uniform.ln() * factor) as u32]));
                }
            }
            let verdicts = stage.judge.look(&stage.rules, stage.now_ms, &mut stage.cases);
            assert_eq!(verdicts, [], "at most {answers_max} answers in 100 ms, after {} ms", stage.now_ms);
        }
    }
}

fn does() -> impl Strategy<Value = Does> {
    (0..30_u64, 0..30_u64, 1..1_000_000_u32).prop_map(|(good, failures, latency_us)| Does {
        good: good.saturating_sub(10),
        failures: failures.saturating_sub(10),
        latency_us,
    })
}

proptest! {
    /// Whatever traffic shows: no more are out than may be, one that is usable stays, and words and deeds agree.
    #[test]
    fn bounds_hold(
        servers in 1..12_usize,
        max_percent in 1..=100_u8,
        spells in prop::collection::vec((prop::collection::vec((does(), prop::bool::weighted(0.9)), 12), 1..40_u32), 1..12),
    ) {
        let rules = Rules {
            success_percent: Some(90), latency_percent: Some(300), max_percent, time_ms: 2000, probation_ms: 500, ..RULES
        };
        let mut stage = Stage::new(servers, rules);
        for (does, looks) in spells {
            let (does, up): (Vec<Does>, Vec<bool>) = does.into_iter().unzip();
            stage.is_up = up[..servers].to_vec();
            for _ in 0..looks {
                let before: Vec<bool> = stage.cases.iter().map(|case| case.record.is_out()).collect();
                let verdicts = stage.look(&does[..servers]);
                let mut told = before;
                for verdict in &verdicts {
                    match verdict.sentence {
                        Sentence::Eject { time_ms, .. } => {
                            prop_assert!(!std::mem::replace(&mut told[verdict.case], true));
                            prop_assert!((2000..=20_000).contains(&time_ms));
                        }
                        Sentence::Release { .. } => prop_assert!(std::mem::replace(&mut told[verdict.case], false)),
                        Sentence::Hold { .. } => prop_assert!(!told[verdict.case]),
                    }
                    prop_assert!(!verdict.reason.is_empty());
                }
                let out: Vec<bool> = stage.cases.iter().map(|case| case.record.is_out()).collect();
                prop_assert_eq!(&told, &out);
                prop_assert!(stage.out() <= rules.out_max(servers));
                let usable = (0..servers).filter(|&at| stage.is_up[at] && !out[at]).count();
                prop_assert!(usable > 0 || !stage.is_up.contains(&true), "the last one is out");
            }
        }
    }

    /// A single client may fail at will: as long as others are answered well, it takes nobody out.
    #[test]
    fn a_hostile_client_takes_nobody_out(rows in prop::collection::vec((0..4_usize, 1..100_u64), 1..300)) {
        let mut stage = Stage::new(4, RULES);
        for (target, failures) in rows {
            let mut does = [Does { good: 1, ..WELL }; 4];
            does[target].failures = failures;
            prop_assert_eq!(stage.look(&does), vec![]);
        }
    }
}
