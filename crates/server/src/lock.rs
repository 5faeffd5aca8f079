//! One server for one SQLite file.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::error::Error;

/// Holds the right to serve an SQLite file. The system takes it back when the process ends, however it ends.
pub(crate) struct ServeLock {
    _file: File,
}

impl ServeLock {
    /// Takes the lock beside the database file.
    pub(crate) fn take(database: &Path) -> Result<Self, Error> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| Error::File { path: path.clone().into(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::DatabaseInUse { path: database.to_owned() }),
            Err(TryLockError::Error(source)) => Err(Error::File { path: path.into(), source }),
        }
    }
}
