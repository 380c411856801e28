//! Checks by programs: a shell's own words, since every machine has one.

use std::fs;

use super::*;

async fn run(script: &str, limit: Duration) -> Outcome {
    let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    let address = SocketAddr::from(([127, 0, 0, 1], 8080));
    probe(address, &health(Probe::Exec(command), limit), &Speech::default()).await
}

fn failed(reason: &str) -> Outcome {
    Outcome::Failed(reason.to_owned())
}

#[tokio::test]
async fn the_exit_code_decides_and_the_first_line_is_the_reason() {
    let check = |script: &'static str, outcome| async move {
        assert_eq!(run(script, AMPLE).await, outcome, "{script}");
    };
    check("exit 0", Outcome::Passed).await;
    check("echo fine; exit 0", Outcome::Passed).await;
    check("exit 3", failed("the program ended with exit status: 3")).await;
    check("echo 'disk full'; echo more; exit 1", failed("disk full")).await;
    check("echo 'not there' >&2; exit 1", failed("not there")).await;
    check("printf '\\033[31mred\\n'; exit 1", failed("?[31mred")).await;
    check("kill -9 $$", failed("the program ended with signal: 9 (SIGKILL)")).await;
    // Whatever it says, it is never kept waiting for a reader.
    let long = "yes x | head -c 1000000; exit 1";
    check(long, failed("x")).await;
}

#[tokio::test]
async fn it_knows_whom_it_checks_and_nothing_else() {
    let script = "echo $WEIR_ADDRESS $WEIR_PORT $WEIR_SERVER $WEIR_POOL; exit 1";
    assert_eq!(run(script, AMPLE).await, failed("127.0.0.1 8080 web1 web"));
    // What a shell sets by itself is PWD, and in some OLDPWD, SHLVL and _.
    let script = "env | cut -d= -f1 | grep -v -E '^(PATH|WEIR_[A-Z]+|PWD|OLDPWD|SHLVL|_)$'; exit 1";
    assert_eq!(run(script, AMPLE).await, failed("the program ended with exit status: 1"));
}

#[tokio::test]
async fn a_program_that_cannot_be_started_says_nothing_about_the_server() {
    let address = SocketAddr::from(([127, 0, 0, 1], 8080));
    let asked = health(Probe::Exec(vec!["/nowhere/check".to_owned()]), AMPLE);
    let Outcome::NotChecked(reason) = probe(address, &asked, &Speech::default()).await else {
        panic!("it ran");
    };
    assert!(reason.starts_with("/nowhere/check cannot be started: No such file"), "{reason}");
}

#[tokio::test]
async fn its_time_is_up_for_all_that_it_has_started() {
    let folder = std::env::temp_dir().join(format!("weir-check-exec-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let pids = folder.join("pids");
    let script = format!("sleep 1000 & echo $! > {0}; echo $$ >> {0}; wait", pids.display());
    let got = run(&script, Duration::from_millis(500)).await;
    let written = fs::read_to_string(&pids).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(got, failed("the program did not end within 500ms"));
    let pids: Vec<&str> = written.lines().collect();
    assert_eq!(pids.len(), 2, "{written}");
    gone(pids[0]).await;
    assert!(state(pids[1]).is_none(), "the program itself is reaped, and no zombie");
}

#[tokio::test]
async fn what_it_leaves_behind_is_killed() {
    // The child holds the pipe open; nobody waits for it.
    let got = run("sleep 1000 & echo $!; exit 1", AMPLE).await;
    let Outcome::Failed(pid) = got else { panic!("{got:?}") };
    gone(&pid).await;
}

/// Waits until a process has ended: init, or who stands in for it, reaps it in its own time.
async fn gone(pid: &str) {
    let ended = tokio::time::timeout(AMPLE, async {
        while state(pid).is_some_and(|state| state != 'Z') {
            tokio::task::yield_now().await;
        }
    });
    assert!(ended.await.is_ok(), "process {pid} goes on");
}

/// `R`, `S`, `Z` …; `None` when there is no such process.
fn state(pid: &str) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
