//! stripe-gateway
