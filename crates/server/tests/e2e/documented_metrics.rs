//! `docs/operations.md` lists exactly the metrics of the service.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../../../../docs/operations.md");

struct Source {
    krate: &'static str,
    text: String,
}

/// Reads the sources of the service.
fn sources() -> Vec<Source> {
    fn read(folder: &Path, krate: &'static str, into: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                read(&path, krate, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push(Source { krate, text: fs::read_to_string(&path).expect("a source") });
            }
        }
    }
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates");
    let mut sources = Vec::new();
    for krate in ["api", "domain", "outbound", "payments", "persistence", "stripe-gateway", "webhook"] {
        read(&crates.join(krate).join("src"), krate, &mut sources);
    }
    sources
}

/// Returns every metric in a text, and the text that follows its name.
fn metrics(text: &str) -> impl Iterator<Item = (String, &str)> {
    const PREFIX: &str = "quittance_";
    text.match_indices(PREFIX).map(|(at, _)| {
        let rest = &text[at + PREFIX.len()..];
        let end = rest.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
        let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
        (format!("{PREFIX}{name}"), behind)
    })
}

/// Returns the labels and values that follow a metric's name on the page.
fn labels(behind: &'static str) -> Vec<(&'static str, &'static str)> {
    let labels = behind.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    let label = |label: &'static str| label.split_once('=').expect("a label and its value");
    let labels = labels.map_or("", |(labels, _)| labels).split(',').filter(|label| !label.is_empty());
    labels.map(label).map(|(label, value)| (label.trim_end_matches('!'), value)).collect()
}

#[test]
fn operations_page_lists_exactly_the_metrics() {
    let sources = sources();
    for (name, behind) in metrics(PAGE) {
        let name = format!("\"{name}\"");
        let crates: BTreeSet<&str> =
            sources.iter().filter(|source| source.text.contains(&name)).map(|source| source.krate).collect();
        assert!(!crates.is_empty(), "the metric {name} does not exist");
        // The values of many labels are defined in the domain crate.
        let may_say = |source: &&Source| source.krate == "domain" || crates.contains(source.krate);
        let is_said = |word: &str| sources.iter().filter(may_say).any(|source| source.text.contains(word));
        for (label, value) in labels(behind) {
            assert!(is_said(&format!("\"{label}\"")) && is_said(value), "{name} has no {label}={value}");
        }
    }
    let named: BTreeSet<String> = metrics(PAGE).map(|(name, _)| name).collect();
    for (name, behind) in sources.iter().flat_map(|source| metrics(&source.text)) {
        assert!(!behind.starts_with('"') || named.contains(&name), "{name} is not in docs/operations.md");
    }
}
