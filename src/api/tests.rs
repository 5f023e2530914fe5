//! The router over a real embedded store and a path that does nothing but write.

mod kit;

mod analytics;
mod app_versions;
mod audiences;
mod audit;
mod campaigns;
mod conventions;
mod device_tokens;
mod imports;
mod keys;
mod limits;
mod operations;
mod path;
mod people;
mod phones;
mod reads;
mod sends;
mod webhooks;
