//! Events: <https://docs.stripe.com/api/events>.

use serde_json::Value;

use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::http::pagination::{Page, created_filter};
use crate::objects::delivery::DeliveryState;
use crate::objects::event::Event;

pub(crate) const ROUTES: &[Route] =
    &[Route::get("/v1/events", list), Route::get("/v1/events/{id}", retrieve)];

/// The maximum number of types in a filter.
const MAX_TYPES: usize = 20;

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let event = call.tx.get::<Event>(call.id).ok_or_else(|| ApiError::not_found("event", call.id, "id"))?;
    Ok(call.tx.render_event(event))
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    let pattern = params.string("type")?;
    let types = params.strings("types")?;
    let delivery_success = params.boolean("delivery_success")?;
    if pattern.is_some() && types.is_some() {
        return Err(params.invalid("types", "You may only specify one of these parameters: type, types."));
    }
    if types.as_ref().is_some_and(|types| types.len() > MAX_TYPES) {
        return Err(params.invalid("types", format!("You may pass at most {MAX_TYPES} types.")));
    }
    params.finish()?;
    let tx = &*call.tx;
    let matches_filter = |event: &&Event| {
        created.contains(&event.created)
            && pattern.as_ref().is_none_or(|pattern| matches(pattern, &event.type_))
            && types.as_ref().is_none_or(|types| types.contains(&event.type_))
            && delivery_success.is_none_or(|success| {
                let all = tx.deliveries(event).iter().all(|state| *state == DeliveryState::Delivered);
                all == success
            })
    };
    let events: Vec<&Event> = tx.newest_first::<Event>().filter(matches_filter).collect();
    page.render(&events, "event", "/v1/events", |event| &event.id, |event| tx.render_event(event))
}

/// Returns whether `pattern`, a type or a group such as `charge.*`, matches `type_`.
fn matches(pattern: &str, type_: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(group) => type_.strip_prefix(group).is_some_and(|rest| rest.starts_with('.')),
        None => pattern == type_,
    }
}
