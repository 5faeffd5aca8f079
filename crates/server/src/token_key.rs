//! The generated token key, used with SQLite if `QUITTANCE_TOKEN_KEY` isn't set.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::SecretString;

use crate::error::Error;

/// The shortest token key that Quittance accepts.
pub(crate) const TOKEN_KEY_CHARS_MIN: usize = 32;

/// Returns the key in `<database>.token-key`. If the file doesn't exist, generates a key and makes the file readable
/// by its owner only.
pub(crate) fn load_or_generate(database: &Path) -> Result<SecretString, Error> {
    let mut path = database.as_os_str().to_owned();
    path.push(".token-key");
    let path = PathBuf::from(path);
    read_or_create(&path).map(SecretString::from).map_err(|source| Error::File { path, source })
}

fn read_or_create(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Ok(key) if key.trim().len() >= TOKEN_KEY_CHARS_MIN => return Ok(key.trim().to_owned()),
        Ok(_) => {
            let problem = "the file doesn't contain a token key; remove it to generate a new one";
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let key = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    // The rename makes the write atomic: a crash can't leave a file with half a key.
    let draft = path.with_extension("token-key-draft");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&draft)?;
    writeln!(file, "{key}")?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    Ok(key)
}
