//! Declarations of request bodies and query parameters.
//!
//! A declaration with [`request_body!`] or [`query_parameters!`] generates three things from one list of fields: a
//! struct, the reader that fills it, and its schema in the OpenAPI document. The type of a field owns its limits (see
//! `values`), and a wrapper says whether it may be omitted: [`Optional`], [`Update`] or [`UpdateOrClear`]. A field with
//! a default (`active: Boolean = true`) may be omitted, too.

use std::marker::PhantomData;

use serde_json::Value;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{RefOr, Required};

use crate::audience::Audience;
use crate::http::json_reader::{Field, Object, ParseResult};

/// The named schemas that a declaration uses.
pub(crate) type Components = Vec<(String, RefOr<Schema>)>;

/// The type of a field.
pub(crate) trait FieldValue {
    /// The type of the parsed value.
    type Output;

    /// Parses a value, or reports why it is invalid.
    fn read(field: Field<'_>) -> ParseResult<Self::Output>;

    /// Returns the schema of valid values.
    fn schema() -> RefOr<Schema>;

    /// Adds the named schemas that [`FieldValue::schema`] refers to.
    fn components(_: &mut Components) {}
}

/// A field that is present or absent by certain rules.
pub(crate) trait DeclaredField {
    /// The type of the value.
    type Value: FieldValue;

    /// The type of the struct's field.
    type Output;

    /// Whether the field must be present.
    const IS_REQUIRED: bool = false;

    /// Whether the field may be `null`.
    const IS_NULLABLE: bool = false;

    /// Takes the field from its object and parses it.
    fn take(object: &mut Object<'_>, name: &str) -> ParseResult<Self::Output>;
}

impl<V: FieldValue> DeclaredField for V {
    type Value = V;
    type Output = V::Output;
    const IS_REQUIRED: bool = true;

    fn take(object: &mut Object<'_>, name: &str) -> ParseResult<V::Output> {
        object.required(name, V::read)
    }
}

/// A field that may be omitted. `null` has the same meaning.
pub(crate) struct Optional<V>(PhantomData<V>);

impl<V: FieldValue> DeclaredField for Optional<V> {
    type Value = V;
    type Output = Option<V::Output>;
    const IS_NULLABLE: bool = true;

    fn take(object: &mut Object<'_>, name: &str) -> ParseResult<Self::Output> {
        object.nullable(name, V::read).map(Option::flatten)
    }
}

/// A field of a change. If it is omitted, the value stays.
pub(crate) struct Update<V>(PhantomData<V>);

impl<V: FieldValue> DeclaredField for Update<V> {
    type Value = V;
    type Output = Option<V::Output>;

    fn take(object: &mut Object<'_>, name: &str) -> ParseResult<Self::Output> {
        object.take(name, V::read)
    }
}

/// A field of a change. If it is omitted, the value stays; `null` clears it.
pub(crate) struct UpdateOrClear<V>(PhantomData<V>);

impl<V: FieldValue> DeclaredField for UpdateOrClear<V> {
    type Value = V;
    type Output = Option<Option<V::Output>>;
    const IS_NULLABLE: bool = true;

    fn take(object: &mut Object<'_>, name: &str) -> ParseResult<Self::Output> {
        object.nullable(name, V::read)
    }
}

/// A field that only a caller with a secret key may set.
pub(crate) struct SecretKeyOnly<F>(PhantomData<F>);

impl<F: DeclaredField<Output: Default>> DeclaredField for SecretKeyOnly<F> {
    type Value = F::Value;
    type Output = F::Output;
    const IS_NULLABLE: bool = F::IS_NULLABLE;

    fn take(object: &mut Object<'_>, name: &str) -> ParseResult<F::Output> {
        if object.rules().is_some_and(|rules| rules.audience == Audience::Holder) {
            object.forbid(name)?;
            return Ok(F::Output::default());
        }
        F::take(object, name)
    }
}

/// A list of fields that is read from one object.
pub(crate) trait Fields {
    /// The type of the parsed object.
    type Output;

    /// Reads the fields.
    fn read(object: &mut Object<'_>) -> ParseResult<Self::Output>;

    /// Describes the fields for the OpenAPI document.
    fn describe(description: &mut Description);
}

/// The body of a request that has no fields. It may be omitted.
pub(crate) struct NoFields;

impl Fields for NoFields {
    type Output = ();

    fn read(_: &mut Object<'_>) -> ParseResult<()> {
        Ok(())
    }

    fn describe(_: &mut Description) {}
}

/// The description of one field.
struct FieldDescription {
    name: &'static str,
    schema: RefOr<Schema>,
    is_required: bool,
    is_nullable: bool,
    docs: String,
    example: Option<Value>,
    default: Option<Value>,
}

/// The description of a list of fields.
#[derive(Default)]
pub(crate) struct Description {
    fields: Vec<FieldDescription>,
    components: Components,
}

impl Description {
    /// Describes the fields of a declaration.
    pub(crate) fn of_fields<T: Fields>() -> Self {
        let mut description = Self::default();
        T::describe(&mut description);
        description
    }

    /// Adds a field.
    pub(crate) fn add<F: DeclaredField>(
        &mut self,
        name: &'static str,
        docs: &[&str],
        example: Option<Value>,
        default: Option<Value>,
    ) {
        F::Value::components(&mut self.components);
        self.fields.push(FieldDescription {
            name,
            schema: F::Value::schema(),
            is_required: F::IS_REQUIRED && default.is_none(),
            is_nullable: F::IS_NULLABLE || default.is_some(),
            docs: paragraphs(docs),
            example,
            default,
        });
    }

    /// Returns the named schemas of the fields.
    pub(crate) fn components(self) -> Components {
        self.components
    }

    /// Returns the schema of an object with these fields.
    pub(crate) fn object_schema(self, docs: &[&str], example: Option<Value>) -> RefOr<Schema> {
        let mut schema = ObjectBuilder::new().description(Some(paragraphs(docs)));
        for field in self.fields {
            if field.is_required {
                schema = schema.required(field.name);
            }
            schema = schema.property(field.name, field.property_schema());
        }
        let mut schema = schema.build();
        schema.example = example;
        RefOr::T(Schema::Object(schema))
    }

    /// Returns query parameters for these fields.
    pub(crate) fn query_parameters(self) -> Vec<Parameter> {
        let parameter = |field: FieldDescription| {
            let required = if field.is_required { Required::True } else { Required::False };
            let (description, example) = (field.docs.clone(), field.example.clone());
            let field = FieldDescription { docs: String::new(), example: None, is_nullable: false, ..field };
            ParameterBuilder::new()
                .name(field.name)
                .parameter_in(ParameterIn::Query)
                .required(required)
                .description(Some(description))
                .example(example)
                .schema(Some(field.property_schema()))
                .build()
        };
        self.fields.into_iter().map(parameter).collect()
    }
}

impl FieldDescription {
    fn property_schema(self) -> RefOr<Schema> {
        let description = Some(self.docs).filter(|docs| !docs.is_empty());
        match self.schema {
            RefOr::T(Schema::Object(mut schema)) => {
                schema.description = description;
                schema.example = self.example;
                schema.default = self.default;
                if self.is_nullable {
                    schema.schema_type = or_null(schema.schema_type);
                }
                RefOr::T(Schema::Object(schema))
            }
            RefOr::T(Schema::Array(mut schema)) => {
                schema.description = description;
                schema.example = self.example;
                if self.is_nullable {
                    schema.schema_type = or_null(schema.schema_type);
                }
                RefOr::T(Schema::Array(schema))
            }
            RefOr::Ref(reference) if self.is_nullable => {
                let null = ObjectBuilder::new().schema_type(Type::Null);
                let schema = OneOfBuilder::new().item(reference).item(null).description(description);
                schema.default(self.default).into()
            }
            RefOr::Ref(mut reference) => {
                reference.description = description.unwrap_or_default();
                RefOr::Ref(reference)
            }
            schema @ RefOr::T(_) => schema,
        }
    }
}

fn or_null(schema_type: SchemaType) -> SchemaType {
    match schema_type {
        SchemaType::Type(schema_type) => SchemaType::from_iter([schema_type, Type::Null]),
        other => other,
    }
}

/// Joins the lines of a doc comment into paragraphs.
pub(crate) fn paragraphs(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        let line = line.trim();
        match (line.is_empty(), text.is_empty() || text.ends_with('\n')) {
            (true, _) => text.push_str("\n\n"),
            (false, true) => text.push_str(line),
            (false, false) => {
                text.push(' ');
                text.push_str(line);
            }
        }
    }
    text.trim().to_owned()
}

/// Declares a struct whose fields are read from an object, with its reader and its description.
macro_rules! fields {
    (
        $(#[doc = $doc:literal])*
        $(#[derive($($derive:ident),+)])?
        $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $field:ident $(as $key:literal)? : $type:ty $(= $default:expr)? $(, example = $example:tt)? ;
            )*
            $(.. $group:ident : $group_type:ty ;)*
        }
    ) => {
        $(#[doc = $doc])*
        $(#[derive($($derive),+)])?
        pub(crate) struct $name {
            $(
                $(#[doc = $field_doc])*
                pub(crate) $field: $crate::http::fields::fields!(@output $type $(, $default)?),
            )*
            $(pub(crate) $group: <$group_type as $crate::http::fields::Fields>::Output,)*
        }

        impl $crate::http::fields::Fields for $name {
            type Output = Self;

            fn read(
                object: &mut $crate::http::json_reader::Object<'_>,
            ) -> $crate::http::json_reader::ParseResult<Self> {
                $(
                    let $field = $crate::http::fields::fields!(
                        @take object, $crate::http::fields::fields!(@name $field $(, $key)?), $type $(, $default)?
                    );
                )*
                $(let $group = <$group_type as $crate::http::fields::Fields>::read(object);)*
                Ok(Self { $($field: $field?,)* $($group: $group?,)* })
            }

            fn describe(description: &mut $crate::http::fields::Description) {
                $(
                    description.add::<$type>(
                        $crate::http::fields::fields!(@name $field $(, $key)?),
                        &[$($field_doc),*],
                        $crate::http::fields::fields!(@json $($example)?),
                        $crate::http::fields::fields!(@json $($default)?),
                    );
                )*
                $(<$group_type as $crate::http::fields::Fields>::describe(description);)*
            }
        }
    };
    (@output $type:ty) => { <$type as $crate::http::fields::DeclaredField>::Output };
    (@output $type:ty, $default:expr) => { <$type as $crate::http::fields::FieldValue>::Output };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident, $key:literal) => { $key };
    (@take $object:ident, $name:expr, $type:ty) => {
        <$type as $crate::http::fields::DeclaredField>::take($object, $name)
    };
    (@take $object:ident, $name:expr, $type:ty, $default:expr) => {
        <$crate::http::fields::Optional<$type> as $crate::http::fields::DeclaredField>::take($object, $name)
            .map(|value| value.unwrap_or($default))
    };
    (@json) => { None };
    (@json $($value:tt)+) => { Some(serde_json::json!($($value)+)) };
}

/// Declares a request body: a struct, its reader, and its schema in the OpenAPI document.
macro_rules! request_body {
    (
        $(#[doc = $doc:literal])*
        $(#[example($example:tt)])?
        $(#[derive($($derive:ident),+)])?
        $name:ident { $($fields:tt)* }
    ) => {
        $crate::http::fields::fields! {
            $(#[doc = $doc])*
            $(#[derive($($derive),+)])?
            $name { $($fields)* }
        }

        impl $crate::http::fields::FieldValue for $name {
            type Output = Self;

            fn read(
                field: $crate::http::json_reader::Field<'_>,
            ) -> $crate::http::json_reader::ParseResult<Self> {
                field.object(<Self as $crate::http::fields::Fields>::read)
            }

            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::Ref::from_schema_name(stringify!($name)).into()
            }

            fn components(components: &mut $crate::http::fields::Components) {
                let schema = <Self as utoipa::PartialSchema>::schema();
                components.push((stringify!($name).to_owned(), schema));
                components.extend($crate::http::fields::Description::of_fields::<Self>().components());
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                $crate::http::fields::Description::of_fields::<Self>()
                    .object_schema(&[$($doc),*], $crate::http::fields::fields!(@json $($example)?))
            }
        }

        impl utoipa::ToSchema for $name {
            fn schemas(components: &mut $crate::http::fields::Components) {
                components.extend($crate::http::fields::Description::of_fields::<Self>().components());
            }
        }
    };
}

/// Declares query parameters: a struct, its reader, and its parameters in the OpenAPI document.
macro_rules! query_parameters {
    ($(#[doc = $doc:literal])* $name:ident { $($fields:tt)* }) => {
        $crate::http::fields::fields! {
            $(#[doc = $doc])*
            $name { $($fields)* }
        }

        impl utoipa::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                $crate::http::fields::Description::of_fields::<Self>().query_parameters()
            }
        }
    };
}

pub(crate) use {fields, query_parameters, request_body};
