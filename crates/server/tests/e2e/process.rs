//! Processes of the binary under test. A failing test prints the end of their logs.

use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use quittance_test_support::wait_until;

/// The number of log lines that a failing test prints for each process.
const SHOWN_LINES: usize = 60;

/// Ports below the system's range for outgoing connections. Otherwise, such a connection could take the port of a
/// service that is down.
const FIRST_PORT: u16 = 12_200;
const PORTS: u16 = 7_800;

/// Returns a command that runs the binary in a directory with an empty environment.
pub(crate) fn quittance(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quittance"));
    command.env_clear().current_dir(directory);
    command
}

/// Runs a command to completion.
pub(crate) fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("a command that can be started")
}

/// Decodes the output of a command.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns a free port that no other test in this process uses.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Concurrent test processes start at different offsets.
    let begin = u16::try_from(std::process::id() % u32::from(PORTS)).unwrap_or_default();
    for _ in 0..PORTS {
        let offset = (begin + NEXT.fetch_add(1, Ordering::Relaxed) % PORTS) % PORTS;
        let port = FIRST_PORT + offset;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// A running process. Dropping it kills the process.
pub(crate) struct Process {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts a command. Its output is appended to files with this name in the directory.
    pub(crate) fn start(mut command: Command, directory: &Path, name: &str) -> Self {
        let stdout = directory.join(format!("{name}.out"));
        let stderr = directory.join(format!("{name}.err"));
        let child = command
            .stdin(Stdio::null())
            .stdout(append(&stdout))
            .stderr(append(&stderr))
            .spawn()
            .expect("the binary starts");
        Self { child, stdout, stderr }
    }

    /// Returns its standard output so far.
    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    /// Returns the exit status if the process has ended.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child process")
    }

    /// Waits until the process ends on its own.
    pub(crate) async fn wait_for_exit(&mut self) -> ExitStatus {
        wait_until("the process ends", async || self.exit_status()).await
    }

    /// Kills the process, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child process");
        self.child.wait().expect("a child process");
    }

    /// Sends SIGTERM, as an init system does.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status().expect("kill");
        assert!(status.success(), "the process has already ended");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended = self.child.try_wait().ok().flatten();
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let how =
                ended.map_or("ran until the test failed".to_owned(), |status| format!("had ended: {status}"));
            eprintln!("--- {} {how}; the end of its log:\n{}", self.stderr.display(), tail(&self.stderr));
        }
    }
}

fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("a file in a temporary directory")
}

fn tail(path: &Path) -> String {
    let log = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
