//! Asks an authority without the client under test.

use std::future::Future;
use std::pin::Pin;

use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::pki::Pki;

/// The body of a page that this machine serves over HTTPS.
pub(crate) async fn get(pki: &Pki, url: &str) -> Vec<u8> {
    let response = Plain::new(pki).0.get(url.parse().expect("a URL")).await.expect("it answers");
    response.into_body().collect().await.expect("the answer is whole").to_bytes().to_vec()
}

pub(crate) struct Plain(Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>);

impl Plain {
    pub(crate) fn new(pki: &Pki) -> Plain {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(&pki.ca).expect("our own PEM");
        roots.add(ca).expect("our own certificate");
        let config = ClientConfig::builder_with_provider(crate::provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let https = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1();
        Plain(Client::builder(TokioExecutor::new()).build(https.build()))
    }
}

impl HttpClient for Plain {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let response = self.0.request(request);
        Box::pin(async move {
            response.await.map(BytesResponse::from).map_err(|error| Error::Other(error.into()))
        })
    }
}
