import { Readable } from 'node:stream'
import type { App } from './app.ts'
import {
  type ExportFormatWriter,
  type ExportPart,
  type ExportRow,
  identityLabel,
  itemStem,
  recordOf,
} from './export-format.ts'
import { readAll } from './media.ts'
import { PictureArchive } from './picture-archive.ts'
import { pictureExtension } from './picture-format.ts'

/** Pictures in one archive. */
const ROWS_PER_PART = 10_000

type PicturedRow = ExportRow & { readonly imageKey: string }

async function* picturedRows(rows: AsyncIterable<ExportRow>): AsyncGenerator<PicturedRow> {
  for await (const row of rows) if (row.imageKey) yield row as PicturedRow
}

const WHOLE = { x: 0, y: 0, width: 1, height: 1 }

/** The item's own part of its picture, cut out where it is only a part. */
async function openItemPicture(app: App, { imageKey, box }: PicturedRow): Promise<Readable> {
  if (!box) return app.files.open(imageKey)
  return Readable.from([await app.images.crop(await readAll(app, imageKey), box)])
}

/**
 * One folder an identity, with metadata.jsonl as Hugging Face's ImageFolder reads it. An item that is part of a picture is
 * cut out of it: a folder must not show the neighbour's face.
 */
export const imageFolderWriter: ExportFormatWriter = {
  rowsPerPart: ROWS_PER_PART,
  needsPictures: true,
  async *write({ app, stem, rows }) {
    const archive = new PictureArchive()
    const names: string[] = []
    for await (const row of picturedRows(rows())) {
      const extension = row.box ? 'png' : await pictureExtension(app, row.imageKey)
      const name = `${identityLabel(row)}/${itemStem(row)}.${extension}`
      names.push(name)
      archive.addPicture(name, () => openItemPicture(app, row))
    }
    async function* metadata() {
      let at = 0
      for await (const row of picturedRows(rows())) {
        // The file is the part already: a reader must not cut it once more.
        const { box: cropBox, ...record } = recordOf(row)
        yield `${JSON.stringify({ file_name: names[at++], label: identityLabel(row), ...record, cropBox })}\n`
      }
    }
    archive.addText('metadata.jsonl', metadata())
    archive.end()
    yield { name: `${stem}.zip`, content: archive.content }
  },
}

/** Each picture once, however many items it shows, with the name it has in the archive. */
async function addPictures(
  { app, rows }: ExportPart,
  archive: PictureArchive,
  folder: string,
): Promise<Map<string, { name: string; number: number }>> {
  const pictures = new Map<string, { name: string; number: number }>()
  for await (const { imageKey } of picturedRows(rows())) {
    if (pictures.has(imageKey)) continue
    // By content: the same picture in two parts is the same file.
    const name = `${(imageKey.split('/').at(-1) as string).slice(0, 32)}.${await pictureExtension(app, imageKey)}`
    pictures.set(imageKey, { name, number: pictures.size })
    archive.addPicture(`${folder}/${name}`, () => app.files.open(imageKey))
  }
  return pictures
}

/** The elements of a JSON array, one a line. */
async function* jsonArray(elements: AsyncIterable<object> | Iterable<object>): AsyncGenerator<string> {
  yield '[\n'
  let isFirst = true
  for await (const element of elements) {
    yield `${isFirst ? '' : ',\n'}${JSON.stringify(element)}`
    isFirst = false
  }
  yield '\n]'
}

const CATEGORY_ID = 1

/**
 * COCO object detection: `images/`, and `annotations.json` with one annotation an item and its identity as attributes. Ids
 * are those of rows in the version, so that the parts of one version can be put together.
 */
export const cocoWriter: ExportFormatWriter = {
  rowsPerPart: ROWS_PER_PART,
  needsPictures: true,
  async *write(part) {
    const { stem, rows, firstRow, version } = part
    const archive = new PictureArchive()
    const pictures = await addPictures(part, archive, 'images')
    async function* images() {
      const seen = new Set<string>()
      for await (const { imageKey, width, height } of picturedRows(rows())) {
        if (seen.has(imageKey)) continue
        seen.add(imageKey)
        const { name, number } = pictures.get(imageKey) as { name: string; number: number }
        yield { id: firstRow + number + 1, file_name: name, width, height }
      }
    }
    async function* annotations() {
      let id = firstRow
      for await (const row of picturedRows(rows())) {
        const box = row.box ?? WHOLE
        const bbox = [box.x * row.width, box.y * row.height, box.width * row.width, box.height * row.height]
        const { number } = pictures.get(row.imageKey) as { number: number }
        const { box: _box, width: _width, height: _height, imageSha256: _sha, ...attributes } = recordOf(row)
        yield {
          id: ++id,
          image_id: firstRow + number + 1,
          category_id: CATEGORY_ID,
          bbox,
          area: (bbox[2] as number) * (bbox[3] as number),
          iscrowd: 0,
          attributes: { identity: identityLabel(row), ...attributes },
        }
      }
    }
    async function* document() {
      const info = { description: `Tributary dataset ${version.tag}`, version: version.contentHash }
      yield `{\n"info": ${JSON.stringify(info)},\n"licenses": [],\n`
      yield `"categories": [${JSON.stringify({ id: CATEGORY_ID, name: 'item', supercategory: '' })}],\n"images": `
      yield* jsonArray(images())
      yield ',\n"annotations": '
      yield* jsonArray(annotations())
      yield '\n}\n'
    }
    archive.addText('annotations.json', document())
    archive.end()
    yield { name: `${stem}.coco.zip`, content: archive.content }
  },
}

/**
 * FiftyOne's FiftyOneImageDetectionDataset: `data/` and `labels.json`, one detection an item, labelled with its identity;
 * an item that is a whole picture has the box of the whole.
 */
export const fiftyOneWriter: ExportFormatWriter = {
  rowsPerPart: ROWS_PER_PART,
  needsPictures: true,
  async *write(part) {
    const { stem, rows } = part
    const archive = new PictureArchive()
    const pictures = await addPictures(part, archive, 'data')
    // The format groups by picture, the rows are ordered by key: a part of them is held.
    const detections = new Map<string, object[]>()
    for await (const row of picturedRows(rows())) {
      const { x, y, width, height } = row.box ?? WHOLE
      const label = identityLabel(row)
      const { externalKey, identityId, identityName, identityState, source } = row
      const attributes = { externalKey, identityId, identityName, identityState, source }
      const list = detections.get(row.imageKey) ?? []
      list.push({ label, bounding_box: [x, y, width, height], attributes })
      detections.set(row.imageKey, list)
    }
    async function* document() {
      // Class names as they are, not numbers: parts of a version have different classes.
      yield `{\n"classes": null,\n"labels": {`
      let isFirst = true
      for (const [imageKey, list] of detections) {
        const { name } = pictures.get(imageKey) as { name: string }
        yield `${isFirst ? '\n' : ',\n'}${JSON.stringify(name.replace(/\.[^.]+$/, ''))}: ${JSON.stringify(list)}`
        isFirst = false
      }
      yield '\n}\n}\n'
    }
    archive.addText('labels.json', document())
    archive.end()
    yield { name: `${stem}.fiftyone.zip`, content: archive.content }
  },
}
