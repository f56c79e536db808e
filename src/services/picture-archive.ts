import { PassThrough, Readable } from 'node:stream'
import { ZipFile } from 'yazl'

/** A zip archive that is written while it is read; entries are opened when their turn comes. */
export class PictureArchive {
  readonly #zip = new ZipFile()
  readonly content: PassThrough

  constructor() {
    this.content = this.#zip.outputStream.pipe(new PassThrough())
    this.#zip.once('error', (error) => this.content.destroy(error as Error))
  }

  /** A text made piece by piece, packed. */
  addText(name: string, pieces: AsyncIterable<string>): void {
    this.#add(name, true, async () => Readable.from(pieces))
  }

  /** A picture as it is: packing it again would only cost time. */
  addPicture(name: string, open: () => Promise<Readable>): void {
    this.#add(name, false, open)
  }

  /** No entry comes after this. */
  end(): void {
    this.#zip.end()
  }

  #add(name: string, compress: boolean, open: () => Promise<Readable>): void {
    // An archive of thousands must not hold thousands of files open.
    this.#zip.addReadStreamLazy(name, { compress }, (done) => {
      open().then(
        (stream) => {
          stream.once('error', (error) => this.content.destroy(error))
          done(null, stream)
        },
        (error) => {
          this.content.destroy(error)
          done(error, null as never)
        },
      )
    })
  }
}
