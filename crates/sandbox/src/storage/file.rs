//! The state file: one SQLite table of JSON rows, written by one thread.
//!
//! Pending writes share one transaction, so concurrent requests share a commit. A request is answered only after its
//! rows are committed. With `synchronous=NORMAL` and a write-ahead log, the rows survive a killed process (kill -9).
//! A power failure can lose only the last of them.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use tokio::sync::oneshot;

/// The layout of the file. Other versions of the sandbox may use another layout.
const LAYOUT: i32 = 2;

/// The maximum number of batches per transaction.
const MAX_BATCHES: usize = 256;

diesel::table! {
    objects (kind, id) {
        kind -> Text,
        id -> Text,
        account -> Text,
        seq -> BigInt,
        body -> Text,
    }
}

/// A stored object.
#[derive(Clone, Debug, Insertable, Queryable)]
#[diesel(table_name = objects)]
pub(crate) struct StoredRow {
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) seq: i64,
    pub(crate) body: String,
}

/// A change of the file.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    Put(StoredRow),
    Delete { kind: &'static str, id: String },
}

/// The reason why the state file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The file can't be opened or created.
    #[error("cannot open the state file {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// SQLite's error.
        #[source]
        source: diesel::ConnectionError,
    },
    /// The file can't be read or prepared. `database is locked` means that another sandbox has opened it.
    #[error("cannot use the state file {}", path.display())]
    Use {
        /// The file.
        path: PathBuf,
        /// SQLite's error.
        #[source]
        source: diesel::result::Error,
    },
    /// Another version of the sandbox wrote the file.
    #[error("the state file {} has layout {found}, but this sandbox requires layout {LAYOUT}; move or delete the file", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// The file's layout.
        found: i32,
    },
    /// A row doesn't match its type.
    #[error("cannot read the state file's row {kind} {id}")]
    Row {
        /// The type of the object.
        kind: String,
        /// The object's ID.
        id: String,
        /// The deserialization error.
        #[source]
        source: serde_json::Error,
    },
    /// A row has an unknown type.
    #[error("the state file contains objects of the unknown kind {0}")]
    Kind(String),
    /// A write failed, now or earlier. The file contains all earlier writes, and no further writes follow.
    #[error("cannot write the state file")]
    Write,
}

/// Waits until writes are on disk.
pub(crate) struct Ack(Option<oneshot::Receiver<bool>>);

impl Ack {
    pub(crate) async fn wait(self) -> Result<(), StorageError> {
        let Some(receiver) = self.0 else { return Ok(()) };
        if receiver.await == Ok(true) { Ok(()) } else { Err(StorageError::Write) }
    }
}

struct Batch {
    writes: Vec<Write>,
    done: oneshot::Sender<bool>,
}

struct Writer {
    sender: Sender<Batch>,
    thread: JoinHandle<()>,
}

/// The destination of changes: a file, or nothing for a sandbox in memory.
pub(crate) struct Storage {
    writer: Mutex<Option<Writer>>,
    is_file: bool,
}

impl Storage {
    pub(crate) fn memory() -> Self {
        Self { writer: Mutex::new(None), is_file: false }
    }

    /// Opens or creates the file and reads all rows.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<StoredRow>), StorageError> {
        let mut connection = SqliteConnection::establish(&path.to_string_lossy())
            .map_err(|source| StorageError::Open { path: path.to_owned(), source })?;
        let in_use = |source| StorageError::Use { path: path.to_owned(), source };
        let found = prepare(&mut connection).map_err(in_use)?;
        if found != LAYOUT {
            return Err(StorageError::Layout { path: path.to_owned(), found });
        }
        let rows = objects::table.order(objects::seq).load(&mut connection).map_err(in_use)?;
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("sandbox-storage".to_owned())
            .spawn(move || write_batches(&mut connection, &receiver))
            .map_err(|_| StorageError::Write)?;
        Ok((Self { writer: Mutex::new(Some(Writer { sender, thread })), is_file: true }, rows))
    }

    /// Queues writes in the order of the calls.
    pub(crate) fn append(&self, writes: Vec<Write>) -> Ack {
        if !self.is_file || writes.is_empty() {
            return Ack(None);
        }
        let (done, receiver) = oneshot::channel();
        if let Some(writer) = &*self.writer.lock().unwrap_or_else(PoisonError::into_inner) {
            // If the writer has ended, `done` is dropped with the batch, and the waiter gets an error.
            let _ = writer.sender.send(Batch { writes, done });
        }
        Ack(Some(receiver))
    }

    /// Writes all queued changes and closes the file. Blocks. Further calls do nothing.
    pub(crate) fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Writer { sender, thread }) = writer {
            drop(sender);
            if thread.join().is_err() {
                tracing::error!("the sandbox's storage thread panicked; recent changes may be lost");
            }
        }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.close();
    }
}

/// Creates the table if it is missing, and returns the file's layout.
fn prepare(connection: &mut SqliteConnection) -> QueryResult<i32> {
    use diesel::connection::SimpleConnection;
    // The exclusive lock prevents a second sandbox from opening the same file.
    connection.batch_execute(
        "PRAGMA busy_timeout = 2000; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; \
         PRAGMA synchronous = NORMAL;",
    )?;
    connection.immediate_transaction(|connection| {
        let mut found = user_version(connection)?;
        if found == 0 {
            connection.batch_execute(&format!(
                "CREATE TABLE objects (kind TEXT NOT NULL, id TEXT NOT NULL, account TEXT NOT NULL, \
                 seq BIGINT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID; \
                 PRAGMA user_version = {LAYOUT};"
            ))?;
            found = LAYOUT;
        }
        Ok(found)
    })
}

fn user_version(connection: &mut SqliteConnection) -> QueryResult<i32> {
    #[derive(QueryableByName)]
    struct UserVersion {
        #[diesel(sql_type = diesel::sql_types::Integer)]
        user_version: i32,
    }
    let row: UserVersion = diesel::sql_query("PRAGMA user_version").get_result(connection)?;
    Ok(row.user_version)
}

/// Runs until every sender is dropped. Stops writing after a failed write, so that the file is always a consistent
/// snapshot.
fn write_batches(connection: &mut SqliteConnection, receiver: &Receiver<Batch>) {
    let mut intact = true;
    while let Ok(first) = receiver.recv() {
        let mut batches = vec![first];
        batches.extend(receiver.try_iter().take(MAX_BATCHES - 1));
        if intact {
            let written = connection.immediate_transaction(|connection| {
                batches.iter().flat_map(|batch| &batch.writes).try_for_each(|write| apply(connection, write))
            });
            if let Err(error) = written {
                tracing::error!(%error, "failed to write the sandbox's state file; no further changes are stored");
                intact = false;
            }
        }
        for batch in batches {
            // An aborted request no longer waits for its writes.
            let _ = batch.done.send(intact);
        }
    }
}

fn apply(connection: &mut SqliteConnection, write: &Write) -> QueryResult<()> {
    match write {
        Write::Put(row) => diesel::replace_into(objects::table).values(row.clone()).execute(connection)?,
        Write::Delete { kind, id } => {
            diesel::delete(objects::table.find((kind, id.as_str()))).execute(connection)?
        }
    };
    Ok(())
}
