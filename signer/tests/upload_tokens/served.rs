//! A signer over a real socket, at a time that the test sets.

use std::net::SocketAddr;

use safelight_chassis::{
    admin::Admin,
    server::Server,
    shutdown::{Drain, Shutdown},
};
use safelight_proto::signer::v1::upload_token_service_client::UploadTokenServiceClient;
use safelight_signer::{Clock, Config, Signer, limits};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};
use tonic::transport::{Channel, Endpoint};

pub(crate) type Client = UploadTokenServiceClient<Channel>;

/// A signer that serves.
pub(crate) struct Served {
    pub(crate) clock: Clock,
    pub(crate) addr: SocketAddr,
    admin: Admin,
    shutdown: Shutdown,
    serving: JoinHandle<()>,
}

impl Served {
    /// With this configuration.
    pub(crate) async fn start(toml: &str) -> Self {
        let config = Config::read(toml).unwrap_or_else(|errors| panic!("{errors}"));
        let clock = Clock::fixed(1_700_000_000);
        let signer = Signer::open(config, clock.clone()).unwrap();
        let server = Server::new(limits()).reflection(safelight_proto::FILE_DESCRIPTOR_SET);
        let server = signer.add_to(server);
        drop(signer);
        let admin = Admin::bind(([127, 0, 0, 1], 0).into()).unwrap();
        admin.show(&server);
        server.health().ready().await;
        let bound = server.bind(([127, 0, 0, 1], 0).into(), false).await.unwrap();
        let (addr, shutdown) = (bound.local_addr(), Shutdown::new());
        let serving = bound.drain(Drain::within(std::time::Duration::from_secs(1))).serve(shutdown.clone());
        let serving = tokio::spawn(async {
            // Clients that are still connected are cut off.
            _ = serving.await;
        });
        Self { clock, addr, admin, shutdown, serving }
    }

    pub(crate) fn client(&self) -> Client {
        client(self.addr)
    }

    pub(crate) fn channel(&self) -> Channel {
        channel(self.addr)
    }

    /// What it has counted.
    pub(crate) async fn metrics(&self) -> String {
        let mut admin = TcpStream::connect(self.admin.addr()).await.unwrap();
        admin.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        admin.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Stops it; its store is closed then.
    pub(crate) async fn stop(self) {
        self.shutdown.trigger();
        self.serving.await.unwrap();
    }
}

pub(crate) fn client(addr: SocketAddr) -> Client {
    Client::new(channel(addr))
}

pub(crate) fn channel(addr: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{addr}")).unwrap().connect_lazy()
}
