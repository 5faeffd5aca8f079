//! The storefront of `examples/checkout`, built and embedded, so that the binary can serve it in sandbox mode and
//! its build needs no Node.
//!
//! `dist` is made by `npm run build` in `examples/checkout` and committed; `examples/checkout/check-current` builds
//! it again and compares.

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// A file of the page and its content type, by its path below the page's own address and without a slash at its
/// start. The empty path is the shop itself. Links are relative, so that address must end with a slash.
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

    #[test]
    fn every_built_file_is_there_and_nothing_comes_from_elsewhere() {
        let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist");
        for path in files_below(&dist) {
            let name = path.strip_prefix(&dist).unwrap().to_str().unwrap();
            let (bytes, content_type) = file(name).unwrap_or_else(|| panic!("{name} is not embedded"));
            assert_eq!(bytes, fs::read(&path).unwrap(), "{name}");
            assert!(content_type.ends_with("utf-8"));
            // The name of the SVG language is an address, but nobody goes there.
            let text = std::str::from_utf8(bytes).unwrap().replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("http://") && !text.contains("https://"), "{name}");
        }
        assert_eq!(file(""), file("index.html"));
        assert_eq!(file("nothing"), None);
    }
}
