//! List pagination and the `created` filter: <https://docs.stripe.com/api/pagination>.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::http::error::ApiError;
use crate::http::form::Node;
use crate::http::params::{Change, Params};

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: i64 = 100;

/// The requested page of a list.
pub(crate) struct Page {
    limit: usize,
    starting_after: Option<String>,
    ending_before: Option<String>,
}

impl Page {
    pub(crate) fn parse(params: &mut Params) -> Result<Self, ApiError> {
        let limit = match params.integer("limit")? {
            None => DEFAULT_LIMIT,
            Some(limit @ 1..=MAX_LIMIT) => usize::try_from(limit).unwrap_or(DEFAULT_LIMIT),
            Some(limit) => {
                let bound =
                    if limit < 1 { "greater than or equal to 1" } else { "less than or equal to 100" };
                return Err(params
                    .invalid("limit", format!("This value must be {bound} (it currently is '{limit}')."))
                    .with_code("parameter_invalid_integer"));
            }
        };
        let starting_after = params.string("starting_after")?;
        let ending_before = params.string("ending_before")?;
        if starting_after.is_some() && ending_before.is_some() {
            return Err(params.invalid(
                "starting_after",
                "You may only specify one of these parameters: starting_after, ending_before.",
            ));
        }
        Ok(Self { limit, starting_after, ending_before })
    }

    /// Returns whether the page starts at a cursor.
    pub(crate) fn has_cursor(&self) -> bool {
        self.starting_after.is_some() || self.ending_before.is_some()
    }

    /// Returns the page of `items`, which must be filtered and sorted newest first. Stripe's error for an invalid
    /// cursor contains `noun`.
    pub(crate) fn render<T>(
        self,
        items: &[T],
        noun: &str,
        url: &str,
        id_of: impl Fn(&T) -> &str,
        render: impl Fn(&T) -> Value,
    ) -> Result<Value, ApiError> {
        let position = |cursor: &str, param: &str| {
            items
                .iter()
                .position(|item| id_of(item) == cursor)
                .ok_or_else(|| ApiError::not_found(noun, cursor, param).with_status(400))
        };
        let (first, last) = if let Some(cursor) = &self.starting_after {
            let first = position(cursor, "starting_after")? + 1;
            (first, items.len().min(first + self.limit))
        } else if let Some(cursor) = &self.ending_before {
            let last = position(cursor, "ending_before")?;
            (last.saturating_sub(self.limit), last)
        } else {
            (0, items.len().min(self.limit))
        };
        let has_more = if self.ending_before.is_some() { first > 0 } else { last < items.len() };
        let data: Vec<Value> = items[first..last].iter().map(render).collect();
        Ok(json!({ "object": "list", "data": data, "has_more": has_more, "url": url }))
    }
}

/// Reads the `created` filter (`created=…` or `created[gte]=…`) as a range of seconds.
pub(crate) fn created_filter(params: &mut Params) -> Result<RangeInclusive<i64>, ApiError> {
    if let Some(exact) = params.scalar("created") {
        let at = exact.parse().map_err(|_| {
            params
                .invalid("created", format!("Invalid integer: {exact}"))
                .with_code("parameter_invalid_integer")
        })?;
        return Ok(at..=at);
    }
    let Change::Set(mut range) = params.object("created")? else { return Ok(i64::MIN..=i64::MAX) };
    let from = range
        .integer("gte")?
        .unwrap_or(i64::MIN)
        .max(range.integer("gt")?.map_or(i64::MIN, |after| after.saturating_add(1)));
    let to = range
        .integer("lte")?
        .unwrap_or(i64::MAX)
        .min(range.integer("lt")?.map_or(i64::MAX, |before| before.saturating_sub(1)));
    range.finish()?;
    Ok(from..=to)
}

impl Params {
    /// Returns the value of a parameter that is text, not an object.
    fn scalar(&mut self, name: &str) -> Option<String> {
        self.take_if(name, |node| match node {
            Node::Text(text) => Some(text.clone()),
            Node::Map(_) => None,
        })
    }
}
