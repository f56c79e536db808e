import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll(path.sep, '/'))
  .filter((file) => /\.(ts|mjs)$/.test(file) && !file.startsWith('generated/') && !file.includes('/generated/'))

/** What a file imports: paths within src, packages by name. */
function importsOf(file: string): string[] {
  const text = readFileSync(path.join('src', file), 'utf8')
  return [...text.matchAll(/(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s+['"]([^'"]+)['"]/g)].map(([, specifier]) =>
    specifier?.startsWith('.') ? path.posix.join(path.posix.dirname(file), specifier) : (specifier as string),
  )
}

const isIn = (folder: string) => (file: string) => file.startsWith(`${folder}/`)
const offenders = (from: string, isForbidden: (imported: string, file: string) => boolean) =>
  files.filter(isIn(from)).flatMap((file) =>
    importsOf(file)
      .filter((imported) => isForbidden(imported, file))
      .map((imported) => `${file} imports ${imported}`),
  )

describe('imports go towards services and engine', () => {
  it('the engine imports itself and TensorFlow.js, its methods and its metric small dense algebra; only its kernels may load their binary', () => {
    expect(
      offenders('engine', (imported, file) => {
        if (imported.startsWith('engine/') || imported.startsWith('@tensorflow/')) return false
        if (/^engine\/(methods|metric)\//.test(file) && imported === 'ml-matrix') return false
        return !(file.startsWith('engine/kernels/') && imported.startsWith('node:'))
      }),
    ).toEqual([])
  })

  it('everybody else goes through the door of the engine', () => {
    const others = ['services', 'jobs', 'resolvers', 'schema', 'infra', 'cli'].flatMap((folder) =>
      offenders(folder, (imported) => imported.startsWith('engine/') && imported !== 'engine/index.ts'),
    )
    expect(others).toEqual([])
  })

  it('the command line is thin: it imports the engine and nothing else of ours', () => {
    expect(
      offenders('cli', (imported) => /^(services|infra|jobs|resolvers|schema|generated)\//.test(imported)),
    ).toEqual([])
  })

  it('services import the engine, Prisma types and themselves, never adapters, jobs, resolvers or schema', () => {
    expect(offenders('services', (imported) => /^(infra|jobs|resolvers|schema)\//.test(imported))).toEqual([])
  })

  it('resolvers see services only: values of neither Prisma nor the engine', () => {
    const valueImports = files.filter(isIn('resolvers')).filter((file) => {
      const text = readFileSync(path.join('src', file), 'utf8')
      return /import\s+(?!type)[^'"]*from\s+['"][^'"]*(generated\/prisma|engine\/index)/.test(text)
    })
    expect(valueImports).toEqual([])
    expect(offenders('resolvers', (imported) => /^(infra|jobs|schema)\//.test(imported))).toEqual([])
  })

  it('schema files hold no logic: they import their resolvers and the one door to Nexus', () => {
    const allowed = /^(\.\/|schema\/|resolvers\/|graphql$|nexus$|node:)/
    expect(offenders('schema', (imported) => !allowed.test(imported))).toEqual([])
  })

  it('adapters import ports of services, and only they use the packages they adapt', () => {
    expect(offenders('infra', (imported) => /^(jobs|resolvers|schema)\//.test(imported))).toEqual([])
    const adapted =
      /^(pg|pg-boss|sharp|@aws-sdk\/.*|@vladmandic\/.*|onnxruntime-web|@electric-sql\/.*|@prisma\/adapter-pg)$/
    const users = files.filter(
      (file) => !file.startsWith('infra/') && importsOf(file).some((name) => adapted.test(name)),
    )
    expect(users).toEqual([])
  })

  it('what runs needs no package that a production image leaves out', () => {
    const { dependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
    const installed = new Set(Object.keys({ ...dependencies, ...optionalDependencies }))
    const packageOf = (specifier: string) => specifier.match(/^(@[^/]+\/)?[^/]+/)?.[0] as string
    const missing = files.flatMap((file) => {
      const text = readFileSync(path.join('src', file), 'utf8')
      const values = text.matchAll(
        /(?:import|export)\s(?!type\b)[^'"]*?from\s+['"]([^.'"][^'"]*)['"]|import\(['"]([^.'"][^'"]*)['"]\)/g,
      )
      return [...values]
        .map(([, from, dynamic]) => (from ?? dynamic) as string)
        .filter((specifier) => !specifier.startsWith('node:') && !installed.has(packageOf(specifier)))
        .map((specifier) => `${file} imports ${specifier}`)
    })
    expect(missing).toEqual([])
  })

  it('there is no file for whatever is left over', () => {
    expect(files.filter((file) => /(^|\/)(utils?|helpers?|misc|common-utils)(\/|\.ts$)/.test(file))).toEqual([])
  })

  it('the review page knows the API by its generated documents alone', () => {
    const outside = readdirSync('web/src', { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.tsx?$/.test(file))
      .flatMap((file) =>
        [...readFileSync(path.join('web/src', file), 'utf8').matchAll(/from '([^']+)'/g)]
          .map(([, specifier]) => specifier as string)
          .filter((specifier) => path.posix.join(path.posix.dirname(file), specifier).startsWith('..'))
          .map((specifier) => `web/src/${file} imports ${specifier}`),
      )
    expect(outside).toEqual([])
  })
})
