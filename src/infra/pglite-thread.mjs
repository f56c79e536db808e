// Runs PGlite off the event loop: postgres messages in, postgres messages out, strictly one after the other.
// Plain JavaScript, so that the thread starts without a TypeScript loader.
import { parentPort, workerData } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'

const post = (message, transfer) => parentPort.postMessage(message, transfer)

const db = await PGlite.create({
  ...workerData,
  extensions: { vector },
  // PGlite turns fsync off by default: an acknowledged write would then not survive a crash.
  startParams: PGlite.defaultStartParams.filter((param) => param !== '-F'),
  postgresqlconf: ['maintenance_work_mem=256MB'],
})

async function handle(message) {
  switch (message.op) {
    case 'close':
      await db.close()
      post({ op: 'closed' })
      parentPort.close()
      return
    case 'reset':
      if (db.isInTransaction()) await db.exec('ROLLBACK')
      await db.exec('DISCARD ALL')
      return
    case 'dump': {
      const data = new Uint8Array(await (await db.dumpDataDir('none')).arrayBuffer())
      post({ op: 'dump', data }, [data.buffer])
      return
    }
    default:
      try {
        await db.execProtocolRawStream(message.message, {
          onRawData: (data) => post({ op: 'data', id: message.id, data: data.slice() }),
        })
      } catch (error) {
        post({ op: 'error', id: message.id, message: String(error) })
      }
  }
}

let chain = Promise.resolve()
parentPort.on('message', (message) => {
  chain = chain.then(() => handle(message))
})
post({ op: 'ready' })
