//! The demo store: the production build of `examples/checkout`, embedded into the binary. The server serves it in sandbox
//! mode. Embedding the build means that compiling the server doesn't require Node.js.
//!
//! `npm run build` in `examples/checkout` writes the `dist` directory, which is committed. The script
//! `examples/checkout/check-current` builds again and compares.
//!
//! ```
//! let (page, content_type) = quittance_demo::file("").expect("the demo store has a start page");
//!
//! assert!(page.starts_with(b"<!doctype html>"));
//! assert_eq!(content_type, "text/html; charset=utf-8");
//! assert_eq!(quittance_demo::file("missing.html"), None);
//! ```

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Returns the content and content type of a file, by its path without a leading slash.
///
/// The empty path is the start page. Links between files are relative, so the URL of the start page must end with a
/// slash.
#[must_use]
pub fn file(path: &str) -> Option<(&'static [u8], &'static str)> {
    Some(match path {
        "" | "index.html" => (include_bytes!("../dist/index.html"), HTML),
        "return.html" => (include_bytes!("../dist/return.html"), HTML),
        "sellers.html" => (include_bytes!("../dist/sellers.html"), HTML),
        "assets/index.js" => (include_bytes!("../dist/assets/index.js"), SCRIPT),
        "assets/return.js" => (include_bytes!("../dist/assets/return.js"), SCRIPT),
        "assets/sellers.js" => (include_bytes!("../dist/assets/sellers.js"), SCRIPT),
        "assets/shared.js" => (include_bytes!("../dist/assets/shared.js"), SCRIPT),
        "assets/shared.css" => (include_bytes!("../dist/assets/shared.css"), STYLE),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::file;

    fn files_below(directory: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
    }

    fn dist() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("dist")
    }

    #[test]
    fn file_embeds_every_built_file() {
        for path in files_below(&dist()) {
            let name = path.strip_prefix(dist()).unwrap().to_str().unwrap().to_owned();

            let (bytes, content_type) = file(&name).unwrap_or_else(|| panic!("{name} is not embedded"));

            assert_eq!(bytes, fs::read(&path).unwrap(), "{name}");
            assert!(content_type.ends_with("utf-8"), "{name}");
        }
    }

    #[test]
    fn file_loads_nothing_from_other_sites() {
        for path in files_below(&dist()) {
            let text = fs::read_to_string(&path).unwrap();

            // The SVG namespace is a URL, but browsers don't request it.
            let text = text.replace("http://www.w3.org/2000/svg", "");

            assert!(!text.contains("http://") && !text.contains("https://"), "{}", path.display());
        }
    }

    #[test]
    fn file_with_empty_path_is_the_start_page() {
        assert_eq!(file(""), file("index.html"));
    }

    #[test]
    fn file_with_unknown_path_returns_nothing() {
        assert_eq!(file("nothing"), None);
    }
}
