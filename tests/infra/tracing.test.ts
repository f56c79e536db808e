import request from 'supertest'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openTestApp, type TestApp } from '../support/app.ts'
import { openReceiver } from '../support/receiver.ts'

let t: TestApp
let collector: Awaited<ReturnType<typeof openReceiver>>
beforeAll(async () => {
  collector = await openReceiver(() => ({ status: 200, body: {} }))
  t = await openTestApp({
    works: false,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_SERVICE_NAME: 'traced' },
  })
})
afterAll(() => collector?.close())

interface Span {
  name: string
  traceId: string
  parentSpanId?: string
  attributes: { key: string; value: { stringValue?: string } }[]
}

it('a collector receives a span for each operation, in the trace of its caller', async () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const parent = 'b7ad6b7169203331'
  await request(t.http.express)
    .post('/graphql')
    .set({
      authorization: `Bearer ${t.token}`,
      'x-request-id': 'request-of-the-trace',
      traceparent: `00-${traceId}-${parent}-01`,
    })
    .send({ query: 'query Who { viewer { id } }' })
  await t.app.tracing.span('outer', {}, () => t.app.tracing.span('inner', {}, async () => {}))
  // Closing sends what is left.
  await t.close()
  const sent = collector.received.filter(({ url }) => url === '/v1/traces').map(({ body }) => JSON.parse(body))
  const resources = sent.flatMap(({ resourceSpans }) => resourceSpans)
  expect(JSON.stringify(resources[0].resource.attributes)).toContain('"traced"')
  const spans: Span[] = resources.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap(({ spans }: { spans: Span[] }) => spans),
  )
  const operation = spans.find(({ name }) => name === 'query viewer') as Span
  expect([operation.traceId, operation.parentSpanId]).toEqual([traceId, parent])
  const attributes = Object.fromEntries(operation.attributes.map(({ key, value }) => [key, value.stringValue]))
  expect(attributes).toMatchObject({
    'graphql.operation.name': 'Who',
    'tributary.request_id': 'request-of-the-trace',
  })
  const outer = spans.find(({ name }) => name === 'outer')
  const inner = spans.find(({ name }) => name === 'inner')
  expect(inner?.traceId).toBe(outer?.traceId)
})
