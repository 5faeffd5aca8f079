//! Pagination: lists are returned newest first, one page at a time, as in Stripe's API.

use std::marker::PhantomData;

use quittance_persistence::{Cursor, Page};

use crate::http::fields::{DeclaredField, Description, Fields, Optional, fields};
use crate::http::json_reader::{Object, ParseResult};
use crate::http::values::{Id, Integer, NamedId};

/// The default number of objects on a page.
const DEFAULT_LIMIT: u8 = 20;

fields! {
    /// The parameter for the size of a page.
    PageSize {
        /// The maximum number of objects on the page.
        limit: Integer<u8, 1, 100> = DEFAULT_LIMIT;
    }
}

/// The parameters that select a page of a list, read as a [`Cursor`].
pub(crate) struct PageQuery<T>(PhantomData<T>);

impl<T: NamedId> Fields for PageQuery<T> {
    type Output = Cursor<T>;

    fn read(query: &mut Object<'_>) -> ParseResult<Cursor<T>> {
        let size = PageSize::read(query);
        let starting_after = Optional::<Id<T>>::take(query, "starting_after");
        Ok(Cursor { limit: size?.limit, starting_after: starting_after? })
    }

    fn describe(description: &mut Description) {
        PageSize::describe(description);
        let docs = "The last object's ID on the previous page. Only older objects are returned.";
        description.add::<Optional<Id<T>>>("starting_after", &[docs], None, None);
    }
}

impl<T: NamedId> utoipa::IntoParams for PageQuery<T> {
    fn into_params(
        _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        Description::of_fields::<Self>().query_parameters()
    }
}

/// Declares the type of a list, in the module of its objects.
macro_rules! list {
    ($(#[$doc:meta])* $name:ident of $object:ident) => {
        $(#[$doc])*
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        pub(crate) struct $name {
            /// `list`.
            #[schema(example = "list")]
            object: &'static str,
            data: Vec<$object>,
            /// Whether older objects follow on the next page.
            has_more: bool,
        }

        impl $name {
            /// Creates a page. `render` renders each object.
            fn from_page<T>(page: quittance_persistence::Page<T>, render: impl Fn(T) -> $object) -> Self {
                let data = page.data.into_iter().map(render).collect();
                Self { object: "list", data, has_more: page.has_more }
            }
        }
    };
}

pub(crate) use list;

/// Returns one page of a short list that was read completely.
pub(crate) fn page_of<T, Id: PartialEq>(all: Vec<T>, cursor: &Cursor<Id>, id: impl Fn(&T) -> &Id) -> Page<T> {
    let begin = match &cursor.starting_after {
        None => 0,
        Some(after) => all.iter().position(|one| id(one) == after).map_or(all.len(), |index| index + 1),
    };
    let limit = usize::from(cursor.limit);
    let has_more = all.len() - begin > limit;
    Page { data: all.into_iter().skip(begin).take(limit).collect(), has_more }
}
