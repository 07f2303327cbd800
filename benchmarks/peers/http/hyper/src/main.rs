// hyper on tokio's current-thread runtime, answering every request with the same thirteen bytes. Its argument is the port.
use hyper::service::{make_service_fn, service_fn};
use hyper::{header, Body, Request, Response, Server};
use std::convert::Infallible;

async fn hello(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    let response = Response::builder()
        .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
        .body(Body::from("Hello, world!"));
    Ok(response.unwrap())
}

fn main() {
    let port: u16 = std::env::args().nth(1).expect("a port").parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let service = make_service_fn(|_| async { Ok::<_, Infallible>(service_fn(hello)) });
        let server = Server::bind(&([127, 0, 0, 1], port).into()).tcp_nodelay(true).http1_pipeline_flush(true);
        server.serve(service).await.expect("to serve");
    });
}
