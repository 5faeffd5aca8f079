//! The key from which order tokens are derived, where none was configured.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::SecretString;

use crate::error::Error;

/// The key in the file beside the database; made, readable by its owner alone, if there is none.
pub(crate) fn beside(database: &Path) -> Result<SecretString, Error> {
    let mut path = database.as_os_str().to_owned();
    path.push(".token-key");
    let path = PathBuf::from(path);
    read_or_make(&path).map(SecretString::from).map_err(|source| Error::File { path, source })
}

fn read_or_make(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Ok(key) if key.trim().len() >= 32 => return Ok(key.trim().to_owned()),
        Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "it holds no key; remove it")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let key = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    // Written whole under another name first: a crash leaves no file with half a key.
    let draft = path.with_extension("token-key-draft");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&draft)?;
    writeln!(file, "{key}")?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    Ok(key)
}
