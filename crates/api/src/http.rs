//! HTTP plumbing that every resource shares. Nothing here knows a resource.

pub(crate) mod auth;
pub(crate) mod body_rules;
pub(crate) mod client_address;
pub(crate) mod client_tokens;
pub(crate) mod cors;
pub(crate) mod fallback;
pub(crate) mod fields;
pub(crate) mod head_requests;
pub(crate) mod idempotency;
pub(crate) mod json_reader;
pub(crate) mod pagination;
pub(crate) mod path;
pub(crate) mod problem_responses;
pub(crate) mod rate_limit;
pub(crate) mod request;
pub(crate) mod request_id;
pub(crate) mod response_headers;
pub(crate) mod responses;
pub(crate) mod return_origins;
pub(crate) mod secret_keys;
pub(crate) mod stored_body;
pub(crate) mod tasks;
pub(crate) mod telemetry;
pub(crate) mod values;
