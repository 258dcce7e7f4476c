//! Samples in the formats of Prometheus: [`Format`], [`Writer`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeLabelSet, MetricEncoder, NativeHistogram, NativeHistogramBuckets,
    NoLabelSet, prometheus_protobuf, prometheus_text, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::DEFAULT_NATIVE_HISTOGRAM_ZERO_THRESHOLD;
use prometheus_client::registry::Registry;

use super::histogram::{Histogram, SCHEMA};
use super::labels::Labels;
use super::stream::Parts;

/// The format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    OpenMetrics,
    /// The only one that has native histograms.
    Protobuf,
}

/// Something that has samples.
pub trait Source: fmt::Debug + Send + Sync + 'static {
    /// Writes them, always in the same order.
    ///
    /// # Errors
    /// Those of the writer.
    fn write(&self, to: &mut Writer<'_>) -> fmt::Result;
}

impl Format {
    /// The best of those that a scraper accepts, where there are native histograms or not.
    pub fn accepted(accept: &str, native: bool) -> Self {
        let protobuf = ["application/vnd.google.protobuf", "io.prometheus.client.MetricFamily", "delimited"];
        if native && accept.split(',').any(|one| protobuf.iter().all(|word| one.contains(word))) {
            Format::Protobuf
        } else if accept.contains("application/openmetrics-text") {
            Format::OpenMetrics
        } else {
            Format::Text
        }
    }

    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Text => prometheus_text::CONTENT_TYPE,
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// Writes all that this source has.
    pub fn write(self, source: impl Source, out: &mut Parts) -> fmt::Result {
        let source = Arc::new(source);
        match self {
            Format::Text => prometheus_text::encode(out, &registry(&source, None).0),
            Format::OpenMetrics => text::encode(out, &registry(&source, None).0),
            // In memory a family is many times as large as it is written: one at a time.
            Format::Protobuf => {
                for number in 0.. {
                    let (registry, more) = registry(&source, Some(number));
                    let octets = prometheus_protobuf::encode_to_vec(&registry).map_err(|_| fmt::Error)?;
                    out.write_octets(&octets)?;
                    if !more.load(Ordering::Relaxed) {
                        break;
                    }
                }
                Ok(())
            }
        }
    }
}

/// All that this source has, as text.
///
/// # Errors
/// If it cannot be encoded.
pub fn text(source: impl Source) -> Result<String, fmt::Error> {
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry(&Arc::new(source), None).0).map(|()| text)
}

/// What a source has, or only one family of it, and whether there are more.
fn registry<S: Source>(source: &Arc<S>, only: Option<usize>) -> (Registry, Arc<AtomicBool>) {
    let more = Arc::new(AtomicBool::new(false));
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families { source: Arc::clone(source), only, more: Arc::clone(&more) }));
    (registry, more)
}

#[derive(Debug)]
struct Families<S> {
    source: Arc<S>,
    only: Option<usize>,
    more: Arc<AtomicBool>,
}

impl<S: Source> Collector for Families<S> {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut to = Writer { encoder, only: self.only, next: 0 };
        self.source.write(&mut to)?;
        self.more.store(self.only.is_some_and(|only| only + 1 < to.next), Ordering::Relaxed);
        Ok(())
    }
}

/// Writes the samples of one metric after the other.
pub struct Writer<'a> {
    encoder: DescriptorEncoder<'a>,
    /// The number of the only family that is written.
    only: Option<usize>,
    next: usize,
}

impl Writer<'_> {
    /// Writes a family, if it is one that is wanted.
    fn family(
        &mut self,
        (name, help, kind): (&str, &str, MetricType),
        write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let number = self.next;
        self.next += 1;
        if self.only.is_some_and(|only| only != number) {
            return Ok(());
        }
        write(&mut self.encoder.encode_descriptor(name, help, None, kind)?)
    }

    pub fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        self.family((name, help, MetricType::Gauge), |metric| {
            samples.into_iter().try_for_each(|(labels, value)| metric.encode_family(&labels)?.encode_gauge(&value))
        })
    }

    pub fn counters<L: EncodeLabelSet, N: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, N)>,
    ) -> fmt::Result {
        self.family((name, help, MetricType::Counter), |metric| {
            samples.into_iter().try_for_each(|(labels, value)| {
                metric.encode_family(&labels)?.encode_counter::<NoLabelSet, N, f64>(&value, None)
            })
        })
    }

    pub fn histograms<'l, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, &'l Histogram)>,
    ) -> fmt::Result {
        self.family((name, help, MetricType::Histogram), |metric| {
            samples.into_iter().try_for_each(|(labels, histogram)| {
                let mut metric = metric.encode_family(&labels)?;
                let (sum, count, buckets) = (histogram.sum, histogram.count, histogram.buckets());
                let Some(sparse) = histogram.sparse() else {
                    return metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None);
                };
                let none = NativeHistogramBuckets { spans: &[], deltas: &[] };
                let native = NativeHistogram {
                    schema: SCHEMA,
                    // Without it an empty one would pass for a classic histogram; every delay is more.
                    zero_threshold: DEFAULT_NATIVE_HISTOGRAM_ZERO_THRESHOLD,
                    zero_count: 0,
                    negative: none,
                    positive: NativeHistogramBuckets { spans: &sparse.spans, deltas: &sparse.deltas },
                    created: None,
                };
                metric.encode_histogram_with_native::<NoLabelSet>(sum, count, &buckets, None, native)
            })
        })
    }

    /// A gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.gauges(name, help, [(Labels::default(), value)])
    }

    /// A counter without labels.
    pub fn counter<N: EncodeCounterValue>(&mut self, name: &str, help: &str, value: N) -> fmt::Result {
        self.counters(name, help, [(Labels::default(), value)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protobuf_is_for_those_who_accept_it_and_have_something_of_it() {
        let prometheus = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
                          application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5";
        let other = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text,*/*";
        for (accept, native, format) in [
            (prometheus, true, Format::Protobuf),
            (prometheus, false, Format::OpenMetrics),
            (other, true, Format::Text),
            ("", true, Format::Text),
        ] {
            assert_eq!(Format::accepted(accept, native), format, "{accept}");
        }
    }
}
