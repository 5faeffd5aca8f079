//! A lock that lets only one server open an SQLite file.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::error::Error;

/// A lock on an SQLite file. The operating system releases it when the process ends, even after a crash.
pub(crate) struct ServeLock {
    _file: File,
}

impl ServeLock {
    /// Locks `<database>.lock`, next to the database file.
    pub(crate) fn acquire(database: &Path) -> Result<Self, Error> {
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
