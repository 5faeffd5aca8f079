//! Lists: newest first, a part at a time, as Stripe has them.

use std::str::FromStr;

use quittance_persistence::{Cursor, Page};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::body::{Object, Read};

/// How many objects a page has when nothing is said.
const DEFAULT_LIMIT: u8 = 20;

/// Which part of a list is wanted. For the document only: [`cursor`] reads it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters")]
pub(crate) struct PageParams {
    /// How many objects at most.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    limit: u8,
    /// The id of the last object of the page before: only what is older is returned.
    #[param(required = false)]
    starting_after: String,
}

/// Makes the type of a list of the contract, in a room that has its objects.
macro_rules! list {
    ($(#[$doc:meta])* $name:ident of $object:ident) => {
        $(#[$doc])*
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        pub(crate) struct $name {
            /// `list`.
            #[schema(example = "list")]
            object: &'static str,
            data: Vec<$object>,
            /// Whether there are older ones.
            has_more: bool,
        }

        impl $name {
            /// A page, each of its objects as `shown` shows it.
            fn of<T>(page: quittance_persistence::Page<T>, shown: impl Fn(T) -> $object) -> Self {
                let data = page.data.into_iter().map(shown).collect();
                Self { object: "list", data, has_more: page.has_more }
            }
        }
    };
}

pub(crate) use list;

/// Reads which part of a list is wanted.
pub(crate) fn cursor<Id: FromStr>(query: &mut Object<'_>) -> Read<Cursor<Id>> {
    let limit = query.optional("limit", |field| field.integer_in_text(1..=100));
    let starting_after = query.optional("starting_after", |field| field.parsed("an id of this list"));
    Ok(Cursor {
        limit: limit?.map_or(DEFAULT_LIMIT, |limit| u8::try_from(limit).unwrap_or(DEFAULT_LIMIT)),
        starting_after: starting_after?,
    })
}

/// The part that is wanted of a short list, which was read whole.
pub(crate) fn page_of<T, Id: PartialEq>(all: Vec<T>, cursor: &Cursor<Id>, id: impl Fn(&T) -> &Id) -> Page<T> {
    let begin = match &cursor.starting_after {
        None => 0,
        Some(after) => all.iter().position(|one| id(one) == after).map_or(all.len(), |place| place + 1),
    };
    let limit = usize::from(cursor.limit);
    let has_more = all.len() - begin > limit;
    Page { data: all.into_iter().skip(begin).take(limit).collect(), has_more }
}
