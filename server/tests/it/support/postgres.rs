//! A Postgres server of the tests' own, on a temporary folder and a free port. Each test gets a database in it.
//!
//! `PARLOUR_TEST_POSTGRES` names a server to use instead, as `postgres://user:password@host:port/database`.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The user and group `nobody`, for when the tests run as root: Postgres refuses to.
const NOBODY: u32 = 65534;

/// The address of an empty database.
pub(crate) async fn database() -> String {
    static SERVER: OnceLock<String> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = tokio::task::spawn_blocking(|| SERVER.get_or_init(|| given().unwrap_or_else(start))).await.unwrap();
    let name = format!("parlour_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let (address, _) = server.rsplit_once('/').unwrap();
    psql(server, &format!("drop database if exists {name}"));
    psql(server, &format!("create database {name} template template0 encoding 'UTF8'"));
    format!("{address}/{name}")
}

/// Sends a statement to a database.
pub(crate) fn psql(url: &str, sql: &str) {
    let done =
        Command::new(program("psql")).args(["-q", "-X", "-v", "ON_ERROR_STOP=1", url, "-c", sql]).output().unwrap();
    assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
}

fn given() -> Option<String> {
    std::env::var("PARLOUR_TEST_POSTGRES").ok().filter(|it| !it.is_empty())
}

/// Starts a server that ends with this process, however that ends: a shell holds the other end of a pipe.
#[expect(clippy::zombie_processes, reason = "it is waited for by nobody because it outlives the last test")]
fn start() -> String {
    let folder = tempfile::Builder::new().prefix("parlour-postgres-").tempdir().unwrap().keep();
    let root = std::fs::metadata(&folder).unwrap().uid() == 0;
    if root {
        chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = "set -e
        \"$1\" -D \"$4/data\" -U parlour --auth=trust --encoding=UTF8 --locale=C -N >&2
        \"$2\" -D \"$4/data\" -p \"$3\" -k '' -h 127.0.0.1 -F -c max_connections=400 >&2 &
        server=$!
        echo begun
        cat >/dev/null
        kill -INT $server
        wait $server || true
        rm -rf \"$4\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(program("initdb")).arg(program("postgres")).arg(port.to_string());
    command.arg(&folder).current_dir(&folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(std::fs::File::create(folder.join("log")).unwrap());
    if root {
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut shell = command.spawn().unwrap();
    // Open for as long as this process lives.
    std::mem::forget(shell.stdin.take());
    let mut begun = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut begun).unwrap();
    let url = format!("postgres://parlour@127.0.0.1:{port}/postgres");
    for _ in 0..200 {
        let ready = Command::new(program("pg_isready")).args(["-q", "-d", &url]).status().unwrap();
        if ready.success() {
            return url;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("Postgres did not start: {}", std::fs::read_to_string(folder.join("log")).unwrap_or_default());
}

/// A program of the newest Postgres that is installed: Debian keeps the server's own out of the PATH.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = debian.map(|it| it.path().join("bin")).collect();
    versions.sort_by_key(|it| it.parent().and_then(Path::file_name).map(|it| (it.len(), it.to_owned())));
    folders.extend(versions.into_iter().rev());
    folders.extend(["/opt/homebrew/opt/postgresql/bin", "/usr/local/opt/postgresql/bin"].map(PathBuf::from));
    folders.iter().map(|it| it.join(name)).find(|it| it.is_file()).unwrap_or_else(|| {
        panic!(
            "`{name}` of Postgres was not found: install it with `apt-get install postgresql` (or `brew install \
             postgresql@17`), or name a server in PARLOUR_TEST_POSTGRES"
        )
    })
}
