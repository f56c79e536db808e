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
    default: {
      let fatal
      try {
        await db.execProtocolRawStream(message.message, {
          onRawData: (data) => {
            fatal ??= fatalMessage(data)
            post({ op: 'data', id: message.id, data: data.slice() })
          },
        })
      } catch (error) {
        fatal ??= String(error?.message ?? error)
      }
      // The session is gone and PGlite would never answer again: end the thread, so that every caller learns why.
      if (fatal) throw new Error(fatal)
    }
  }
}

const ERROR_RESPONSE = 'E'.charCodeAt(0)

/** What a FATAL or PANIC among these protocol messages says. */
function fatalMessage(data) {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  for (let at = 0; at + 5 <= bytes.length; at += 1 + bytes.readUInt32BE(at + 1)) {
    if (bytes[at] !== ERROR_RESPONSE) continue
    const fields = bytes.toString('utf8', at + 5, at + 1 + bytes.readUInt32BE(at + 1)).split('\0')
    if (fields.includes('VFATAL') || fields.includes('VPANIC')) {
      return fields.find((field) => field.startsWith('M'))?.slice(1)
    }
  }
  return undefined
}

// A failure here ends the thread, and with it every stream.
let chain = Promise.resolve()
parentPort.on('message', (message) => {
  chain = chain.then(() => handle(message))
})
post({ op: 'ready' })
