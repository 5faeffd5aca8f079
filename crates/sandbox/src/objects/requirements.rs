//! Requirements of an account: <https://docs.stripe.com/api/accounts/object#account_object-requirements>.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::error::ApiError;
use crate::http::params::{Change, MAX_TEXT_CHARS, Params};

/// The reasons for a disabled account or capability.
const DISABLED_REASONS: &[&str] = &[
    "action_required.requested_capabilities",
    "listed",
    "other",
    "platform_paused",
    "rejected.fraud",
    "rejected.incomplete_verification",
    "rejected.listed",
    "rejected.other",
    "rejected.platform_fraud",
    "rejected.platform_other",
    "rejected.platform_terms_of_service",
    "rejected.terms_of_service",
    "requirements.past_due",
    "requirements.pending_verification",
    "under_review",
];

/// An error of submitted information.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RequirementError {
    pub(crate) code: String,
    pub(crate) reason: String,
    pub(crate) requirement: String,
}

/// Fields that can be submitted in place of other fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alternative {
    pub(crate) alternative_fields_due: Vec<String>,
    pub(crate) original_fields_due: Vec<String>,
}

/// The information that Stripe requires, with its deadline and consequences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Requirements {
    pub(crate) alternatives: Vec<Alternative>,
    pub(crate) current_deadline: Option<i64>,
    pub(crate) currently_due: Vec<String>,
    pub(crate) disabled_reason: Option<String>,
    pub(crate) errors: Vec<RequirementError>,
    pub(crate) eventually_due: Vec<String>,
    pub(crate) past_due: Vec<String>,
    pub(crate) pending_verification: Vec<String>,
}

fn texts(fields: &[&str]) -> Vec<String> {
    fields.iter().map(|field| (*field).to_owned()).collect()
}

impl Requirements {
    /// Returns requirements with fields past due.
    pub(crate) fn past_due(fields: &[&str]) -> Self {
        Self {
            currently_due: texts(fields),
            eventually_due: texts(fields),
            past_due: texts(fields),
            disabled_reason: Some("requirements.past_due".to_owned()),
            ..Self::default()
        }
    }

    /// Returns requirements with fields pending verification.
    pub(crate) fn pending(fields: &[&str]) -> Self {
        Self {
            pending_verification: texts(fields),
            disabled_reason: Some("requirements.pending_verification".to_owned()),
            ..Self::default()
        }
    }

    /// Renders the requirements of a capability.
    pub(crate) fn render_for_capability(&self, disabled_reason: Option<&str>) -> Value {
        let mut rendered = self.render();
        rendered["disabled_reason"] = json!(disabled_reason);
        rendered
    }

    /// Removes a field that has been provided.
    pub(crate) fn satisfy(&mut self, field: &str) {
        for list in [&mut self.currently_due, &mut self.eventually_due, &mut self.past_due] {
            list.retain(|due| due != field);
        }
    }

    /// Reads requirements from the control API. Lists in `params` replace the current lists.
    pub(crate) fn update(&mut self, mut params: Params) -> Result<(), ApiError> {
        for (name, list) in [
            ("currently_due", &mut self.currently_due),
            ("eventually_due", &mut self.eventually_due),
            ("past_due", &mut self.past_due),
            ("pending_verification", &mut self.pending_verification),
        ] {
            match params.list_change(name)? {
                Change::Unchanged => {}
                Change::Unset => list.clear(),
                Change::Set(fields) => *list = fields,
            }
        }
        let reason = params.text("disabled_reason", MAX_TEXT_CHARS)?;
        if matches!(&reason, Change::Set(reason) if !DISABLED_REASONS.contains(&reason.as_str())) {
            return Err(params.invalid(
                "disabled_reason",
                format!("Invalid disabled_reason: must be one of {}", DISABLED_REASONS.join(", ")),
            ));
        }
        reason.apply(&mut self.disabled_reason);
        params.integer_change("current_deadline")?.apply(&mut self.current_deadline);
        self.parse_errors(&mut params)?;
        params.finish()
    }

    fn parse_errors(&mut self, params: &mut Params) -> Result<(), ApiError> {
        if let Some(errors) = params.objects("errors")? {
            self.errors = errors
                .into_iter()
                .map(|mut error| {
                    let read = RequirementError {
                        code: error.required_string("code")?,
                        reason: error.required_string("reason")?,
                        requirement: error.required_string("requirement")?,
                    };
                    error.finish().map(|()| read)
                })
                .collect::<Result<_, ApiError>>()?;
        }
        if let Some(alternatives) = params.objects("alternatives")? {
            self.alternatives = alternatives
                .into_iter()
                .map(|mut one| {
                    let read = Alternative {
                        alternative_fields_due: one.strings("alternative_fields_due")?.unwrap_or_default(),
                        original_fields_due: one.strings("original_fields_due")?.unwrap_or_default(),
                    };
                    one.finish().map(|()| read)
                })
                .collect::<Result<_, ApiError>>()?;
        }
        Ok(())
    }

    pub(crate) fn render(&self) -> Value {
        json!(self)
    }
}
