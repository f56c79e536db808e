import type { Tracing } from '../services/tracing-port.ts'

const UNTRACED: Tracing = {
  span: (_name, _attributes, work) => work(),
  describe() {},
  async close() {},
}

/** Sends spans to an OpenTelemetry collector by OTLP over HTTP; without one configured, none of its packages is loaded. */
export async function openTracing(
  options: { readonly endpoint: string; readonly serviceName: string } | undefined,
): Promise<Tracing> {
  if (!options) return UNTRACED
  const [api, { NodeTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] =
    await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace-node'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ])
  const url = `${options.endpoint.replace(/\/$/, '')}/v1/traces`
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': options.serviceName }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url }))],
  })
  // Sets the global context manager, so that what is awaited within a span finds it.
  provider.register()
  const tracer = provider.getTracer('tributary')
  return {
    span(name, attributes, work, headers = {}) {
      const parent = api.propagation.extract(api.context.active(), headers)
      return tracer.startActiveSpan(name, { attributes }, parent, async (span) => {
        try {
          return await work()
        } catch (error) {
          span.recordException(error as Error)
          span.setStatus({ code: api.SpanStatusCode.ERROR, message: (error as Error).message })
          throw error
        } finally {
          span.end()
        }
      })
    },
    describe(name, attributes) {
      api.trace.getActiveSpan()?.updateName(name).setAttributes(attributes)
    },
    close: () => provider.shutdown(),
  }
}
