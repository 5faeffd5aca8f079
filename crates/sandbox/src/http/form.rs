//! Stripe's request encoding: `application/x-www-form-urlencoded` with brackets for nesting, such as
//! `metadata[order_id]=7`, `expand[]=customer`, `payment_method_types[0]=card`.

use std::collections::BTreeMap;

use crate::http::error::ApiError;

/// The maximum nesting depth, more than any parameter of Stripe has.
const MAX_DEPTH: usize = 10;

/// The maximum number of pairs, which limits the cost of a malicious body.
const MAX_PAIRS: usize = 2_000;

/// A parameter's value: text, or nested parameters. A list is a map with numeric keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Text(String),
    Map(BTreeMap<String, Node>),
}

/// Parses a form body or a query string. The last value of a name wins.
pub(crate) fn parse(encoded: &[u8]) -> Result<BTreeMap<String, Node>, ApiError> {
    let mut root = BTreeMap::new();
    for (count, (name, value)) in form_urlencoded::parse(encoded).enumerate() {
        if count >= MAX_PAIRS {
            return Err(ApiError::invalid("Too many parameters in one request."));
        }
        let path = segments(&name).ok_or_else(|| {
            ApiError::invalid(format!("Invalid parameter name: {name}")).with_code("parameter_unknown")
        })?;
        insert(&mut root, &path, value.into_owned()).ok_or_else(|| {
            ApiError::invalid(format!("The parameter {name} is both a value and an object."))
                .with_param(name.as_ref())
        })?;
    }
    Ok(root)
}

/// Splits `a[b][c]` into `a`, `b`, `c`. Returns `None` if the brackets don't match.
fn segments(name: &str) -> Option<Vec<&str>> {
    let Some(open) = name.find('[') else {
        return (!name.is_empty() && !name.contains(']')).then(|| vec![name]);
    };
    let (first, mut rest) = name.split_at(open);
    if first.is_empty() || first.contains(']') {
        return None;
    }
    let mut path = vec![first];
    while !rest.is_empty() {
        let (segment, tail) = rest.strip_prefix('[')?.split_once(']')?;
        if segment.contains('[') || path.len() >= MAX_DEPTH {
            return None;
        }
        path.push(segment);
        rest = tail;
    }
    Some(path)
}

/// Inserts `value` at `path`. Returns `None` if a name is used both for text and for an object.
fn insert(map: &mut BTreeMap<String, Node>, path: &[&str], value: String) -> Option<()> {
    let (first, rest) = path.split_first()?;
    let key = if first.is_empty() { next_index(map) } else { (*first).to_owned() };
    if rest.is_empty() {
        match map.insert(key, Node::Text(value)) {
            Some(Node::Map(_)) => None,
            _ => Some(()),
        }
    } else {
        match map.entry(key).or_insert_with(|| Node::Map(BTreeMap::new())) {
            Node::Map(inner) => insert(inner, rest, value),
            Node::Text(_) => None,
        }
    }
}

/// Returns the key for `[]`: the largest index plus one.
fn next_index(map: &BTreeMap<String, Node>) -> String {
    let largest = map.keys().filter_map(|key| key.parse::<u32>().ok()).max();
    largest.map_or(0, |index| index.saturating_add(1)).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Node, parse};

    fn text(value: &str) -> Node {
        Node::Text(value.to_owned())
    }

    fn map(entries: &[(&str, Node)]) -> Node {
        Node::Map(entries.iter().map(|(key, node)| ((*key).to_owned(), node.clone())).collect())
    }

    #[test]
    fn brackets_nest_and_lists_are_numbered() {
        let tree = parse(b"amount=5&metadata[a%20b]=x+y&expand[]=one&expand[]=two&p[q][r]=1").unwrap();
        assert_eq!(tree["amount"], text("5"));
        assert_eq!(tree["metadata"], map(&[("a b", text("x y"))]));
        assert_eq!(tree["expand"], map(&[("0", text("one")), ("1", text("two"))]));
        assert_eq!(tree["p"], map(&[("q", map(&[("r", text("1"))]))]));
    }

    #[test]
    fn malformed_form_is_rejected() {
        for body in ["a[b=1", "[a]=1", "a]b=1", "a=1&a[b]=2", "a[b]=2&a=1", "=1", "a[b]c=1"] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
        let deep = format!("a{}=1", "[b]".repeat(50));
        assert!(parse(deep.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_body_never_panics(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&body);
        }

        #[test]
        fn nearly_valid_body_never_panics(body in "([a-c]|\\[|\\]|=|&|%|[0-9]){0,120}") {
            let _ = parse(body.as_bytes());
        }

        #[test]
        fn encoded_parameter_is_parsed_back(name in "[a-z_]{1,8}", key in "[a-z]{1,8}", value in ".{0,40}") {
            let mut body = form_urlencoded::Serializer::new(String::new());
            body.append_pair(&format!("{name}[{key}]"), &value);
            let tree = parse(body.finish().as_bytes()).unwrap();
            prop_assert_eq!(&tree[&name], &map(&[(&key, text(&value))]));
        }
    }
}
