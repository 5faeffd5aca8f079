//! Webhook messages to the shop's systems.

mod deliveries;
mod messages;
mod publish;
mod webhook_endpoints;
