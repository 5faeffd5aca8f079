//! Parameters of products.

use crate::http::error::ApiError;
use crate::http::params::{Change, MAX_TEXT_CHARS, MetadataChange, Params};
use crate::http::url::is_http_url;
use crate::objects::product::{Product, ProductType};

/// The limits in Stripe's documentation.
const MAX_IMAGES: usize = 8;

const MAX_MARKETING_FEATURES: usize = 15;
const MAX_MARKETING_FEATURE_CHARS: usize = 80;
const MAX_DESCRIPTION_CHARS: usize = 40_000;
const MAX_STATEMENT_DESCRIPTOR_CHARS: usize = 22;

/// Product parameters that Stripe supports and the sandbox doesn't.
const UNSUPPORTED: &[&str] = &["package_dimensions", "tax_details"];

/// The parameters of create and update.
pub(crate) struct Fields {
    active: Option<bool>,
    description: Change<String>,
    images: Change<Vec<String>>,
    marketing_features: Change<Vec<String>>,
    metadata: Option<MetadataChange>,
    name: Option<String>,
    shippable: Option<bool>,
    statement_descriptor: Option<String>,
    tax_code: Change<String>,
    unit_label: Change<String>,
    url: Change<String>,
}

impl Fields {
    pub(crate) fn parse(params: &mut Params) -> Result<Self, ApiError> {
        params.reject_unsupported(UNSUPPORTED)?;
        Ok(Self {
            active: params.boolean("active")?,
            description: params.text("description", MAX_DESCRIPTION_CHARS)?,
            images: parse_images(params)?,
            marketing_features: parse_marketing_features(params)?,
            metadata: params.metadata()?,
            name: params.string("name")?,
            shippable: params.boolean("shippable")?,
            statement_descriptor: parse_statement_descriptor(params)?,
            tax_code: parse_tax_code(params)?,
            unit_label: params.text("unit_label", MAX_TEXT_CHARS)?,
            url: parse_url(params)?,
        })
    }

    pub(crate) fn apply(self, product: &mut Product) -> Result<(), ApiError> {
        product.active = self.active.unwrap_or(product.active);
        self.description.apply(&mut product.description);
        for (change, list) in
            [(self.images, &mut product.images), (self.marketing_features, &mut product.marketing_features)]
        {
            match change {
                Change::Unchanged => {}
                Change::Unset => list.clear(),
                Change::Set(new) => *list = new,
            }
        }
        if let Some(name) = self.name {
            product.name = name;
        }
        product.shippable = self.shippable.or(product.shippable);
        product.statement_descriptor = self.statement_descriptor.or(product.statement_descriptor.take());
        self.tax_code.apply(&mut product.tax_code);
        self.unit_label.apply(&mut product.unit_label);
        self.url.apply(&mut product.url);
        match self.metadata {
            Some(change) => change.apply(&mut product.metadata),
            None => Ok(()),
        }
    }
}

/// Reads the image URLs.
pub(crate) fn parse_images(params: &mut Params) -> Result<Change<Vec<String>>, ApiError> {
    let change = params.list_change("images")?;
    match &change {
        Change::Set(images) if images.len() > MAX_IMAGES => {
            Err(params.invalid("images", format!("You may pass at most {MAX_IMAGES} images.")))
        }
        Change::Set(images) if images.iter().any(|image| !is_http_url(image)) => {
            Err(params.invalid("images", "Not a valid URL").with_code("url_invalid"))
        }
        _ => Ok(change),
    }
}

fn parse_marketing_features(params: &mut Params) -> Result<Change<Vec<String>>, ApiError> {
    let features = match params.objects_change("marketing_features")? {
        Change::Unchanged => return Ok(Change::Unchanged),
        Change::Unset => return Ok(Change::Unset),
        Change::Set(features) => features,
    };
    if features.len() > MAX_MARKETING_FEATURES {
        let message = format!("You may pass at most {MAX_MARKETING_FEATURES} marketing features.");
        return Err(params.invalid("marketing_features", message));
    }
    let mut names = Vec::with_capacity(features.len());
    for mut feature in features {
        match feature.text("name", MAX_MARKETING_FEATURE_CHARS)? {
            Change::Set(name) => names.push(name),
            Change::Unchanged | Change::Unset => return Err(feature.missing("name")),
        }
        feature.finish()?;
    }
    Ok(Change::Set(names))
}

fn parse_statement_descriptor(params: &mut Params) -> Result<Option<String>, ApiError> {
    let Some(text) = params.string("statement_descriptor")? else { return Ok(None) };
    let is_invalid = text.chars().count() > MAX_STATEMENT_DESCRIPTOR_CHARS
        || text.contains(['<', '>', '\\', '"', '\''])
        || !text.chars().any(char::is_alphabetic);
    if is_invalid {
        return Err(params.invalid(
            "statement_descriptor",
            "The statement descriptor must be at most 22 characters, contain at least one letter, and not contain \
             < > \\ \" '.",
        ));
    }
    Ok(Some(text))
}

/// Reads a tax code. Every code in the format `txcd_99999999` is accepted.
fn parse_tax_code(params: &mut Params) -> Result<Change<String>, ApiError> {
    let change = params.text("tax_code", MAX_TEXT_CHARS)?;
    let is_code = |text: &str| {
        text.strip_prefix("txcd_")
            .is_some_and(|digits| digits.len() == 8 && digits.chars().all(|digit| digit.is_ascii_digit()))
    };
    match &change {
        Change::Set(text) if !is_code(text) => {
            Err(ApiError::not_found("tax code", text, "tax_code").with_status(400))
        }
        _ => Ok(change),
    }
}

fn parse_url(params: &mut Params) -> Result<Change<String>, ApiError> {
    let change = params.text("url", MAX_TEXT_CHARS)?;
    match &change {
        Change::Set(url) if !is_http_url(url) => {
            Err(params.invalid("url", "Not a valid URL").with_code("url_invalid"))
        }
        _ => Ok(change),
    }
}

/// Reads a new product, which still has to be stored.
pub(crate) fn parse_new(params: &mut Params, now_seconds: i64) -> Result<Product, ApiError> {
    // Custom IDs are unique per account at Stripe, but the sandbox's IDs are unique across accounts.
    params.reject_unsupported(&["id"])?;
    let fields = Fields::parse(params)?;
    let name = fields.name.clone().ok_or_else(|| params.missing("name"))?;
    let mut product = Product::new(name, ProductType::Service, now_seconds);
    fields.apply(&mut product)?;
    Ok(product)
}
