//! Tests of the hosted Checkout page. Tests of its behavior in a browser are in `tests/browser`.

use crate::checkout::{FREE, create, expire, open_page, page_path, path, submit};
use crate::support::{TestSandbox, config};

#[tokio::test(flavor = "multi_thread")]
async fn page_of_free_session_has_no_payment_form() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &FREE).await.ok();

    let page = open_page(&sandbox.api, &session).await;

    assert!(page.contains("Complete order") && !page.contains("id=\"payment\""), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn page_shows_items_and_form() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[("customer_email", "ada@example.com")]).await.ok();

    let page = open_page(&sandbox.api, &session).await;

    for part in [
        "Mug &lt;b&gt;",
        "Blue &amp; round",
        "€24.98",
        "€19.98",
        "€9.99 each",
        "https://shop.example/spoon.png",
        "href=\"https://shop.example/cart\"",
        "autocomplete=\"email\"",
        "value=\"ada@example.com\" readonly",
        ">Pay</button>",
        "data-types=\"card sepa_debit\"",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    assert!(!page.contains("<b>Mug <b>"), "names of products must be escaped");
}

#[tokio::test(flavor = "multi_thread")]
async fn page_has_content_security_policy() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[]).await.ok();

    let response = sandbox.api.without("authorization").get(&page_path(&session), &[]).await;

    assert_eq!(response.status, 200);
    let policy = response.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn page_button_shows_submit_type() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[("submit_type", "donate")]).await.ok();

    let page = open_page(&sandbox.api, &session).await;

    assert!(page.contains(">Donate</button>"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn page_assets_have_content_type() {
    let sandbox = TestSandbox::start(config());
    for (path, content_type) in [("/c/checkout.js", "text/javascript"), ("/c/checkout.css", "text/css")] {
        let response = sandbox.api.get(path, &[]).await;

        assert!(response.header("content-type").unwrap().starts_with(content_type));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn page_of_paid_session_says_complete() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[]).await.ok();
    submit(&sandbox.api, &session, "pm_card_visa").await.ok();

    let page = open_page(&sandbox.api, &session).await;

    assert!(page.contains("This payment is complete"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn page_of_expired_session_links_to_cancel_url() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[]).await.ok();
    expire(&sandbox.api, &session).await.ok();

    let page = open_page(&sandbox.api, &session).await;

    assert!(
        page.contains("This checkout has expired") && page.contains("https://shop.example/cart"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn page_of_unknown_session_is_not_found() {
    let sandbox = TestSandbox::start(config());

    assert_eq!(sandbox.api.get("/c/pay/cs_test_x", &[]).await.status, 404);
    assert_eq!(sandbox.api.get("/c/pay/cs_test_x/return", &[]).await.status, 404);
    assert_eq!(sandbox.api.post("/c/pay/cs_test_x", &[("email", "a@b.co")]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn page_of_connected_account_pays_on_its_account() {
    let sandbox = TestSandbox::start(config());
    let seller = sandbox.api.create_seller("acct_1").await;
    let session = create(&seller, &[]).await.ok();
    let page = sandbox.api.get(&page_path(&session), &[]).await.text;
    assert!(page.contains("data-account=\"acct_1\""), "{page}");

    submit(&sandbox.api, &session, "pm_card_visa").await.ok();

    assert_eq!(seller.get(&path(&session), &[]).await.ok()["payment_status"], "paid");
}
