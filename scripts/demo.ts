/**
 * The main job on real pictures, through the GraphQL API: import, train, cluster, review, correct, re-cluster, retrain,
 * export. Usage: npm run demo [-- --exit] [-- --json]
 *   --exit   ends afterwards instead of leaving the server running
 *   --json   prints the figures as JSON on standard output
 */
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { SingleBar } from 'cli-progress'
import { type DemoPicture, loadDemoSet, renderDemoSet } from '../prisma/seed/demo-set.ts'
import { loadConfig } from '../src/config.ts'
import { evaluateClustering } from '../src/engine/index.ts'
import { exitWith, startServer, stopOnSignal } from '../src/server.ts'
import { createUserWithToken } from '../src/services/users.ts'

const QUESTIONS = 200
const BATCH = 20
const CONFIRMED = 60

const args = new Set(process.argv.slice(2))
const isJson = args.has('--json')
if (args.has('--help')) {
  console.log('usage: npm run demo -- [--exit] [--json]\n  --exit  end afterwards\n  --json  figures as JSON')
  process.exit(0)
}
const say = (text = '') => (isJson ? process.stderr : process.stdout).write(`${text}\n`)
const startedAt = performance.now()
const seconds = (since: number) => Number(((performance.now() - since) / 1000).toFixed(1))

interface Figures {
  pairwiseF: number
  bcubedF: number
  nmi: number
  clusters: number
}

function bar(label: string, total: number) {
  const made = new SingleBar({
    format: `  ${label.padEnd(30)} {bar} {percentage}% {phase}`,
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    noTTYOutput: false,
    barsize: 30,
  })
  if (process.stderr.isTTY) made.start(total, 0, { phase: '' })
  return made
}

async function main(): Promise<void> {
  const dataDir = path.resolve(process.env.TRIBUTARY_DATA_DIR ?? 'data/demo')
  const pictureFolder = path.join(dataDir, 'pictures')
  const config = loadConfig({
    LOG_LEVEL: 'warn',
    ...process.env,
    TRIBUTARY_DATA_DIR: dataDir,
    IMPORT_ROOTS: pictureFolder,
    // A demo that ends needs no fixed port, and must not fail because one is taken.
    ...(args.has('--exit') && { PORT: '0' }),
  })

  say('Tributary demo: 420 emoji drawn by six vendors; half of the classes have labels, the other half is to be found.')
  const pictures = loadDemoSet()
  const rendering = bar('drawing pictures', pictures.length)
  const manifest = await renderDemoSet(pictureFolder, pictures, (done) => rendering.update(done))
  rendering.stop()
  say(`1. drew ${pictures.length} pictures (${seconds(startedAt)} s)`)

  const openingAt = performance.now()
  const server = await startServer(config)
  stopOnSignal(server.stop)
  const { user, secret } = await createUserWithToken(server.opened.app, 'Demo annotator')
  const api = connect(server.url, secret)
  await api.query('{ viewer { displayName } }')
  const coldStartSeconds = seconds(openingAt)
  const engine = await server.opened.app.engine.backend()
  say(
    `2. server at ${server.url} answers after ${coldStartSeconds} s, ${server.opened.database.kind} database, engine on ${engine.name}`,
  )
  for (const { backend, reason } of engine.passedOver) say(`   not on ${backend}: ${reason}`)

  const { createProject } = await api.mutate('createProject', 'CreateProjectInput', 'project { id }', {
    name: `Emoji ${new Date().toISOString().slice(0, 19)}`,
    embeddingDimension: 256,
  })
  const projectId: string = createProject.project.id
  const { startImport } = await api.mutate('startImport', 'StartImportInput', 'job { id }', {
    projectId,
    manifestUrl: pathToFileURL(manifest).href,
  })
  await api.follow('importing', startImport.job.id)
  say('3. imported pictures, embeddings and the labels of one half')

  const first = await train(api, projectId)
  say(`4. trained on the labelled half (${first.seconds} s)\n   ${gateSentence(first)}`)

  const truth = new Map(pictures.map((picture) => [picture.externalKey, picture]))
  const threshold = await cluster(api, projectId, truth, { method: 'THRESHOLD', modelVersionId: first.modelId })
  const paper = await cluster(api, projectId, truth, { method: 'GCN_VE', modelVersionId: first.modelId })
  const before = await cluster(api, projectId, truth, {})
  say(`5. clustered the unlabelled half\n   ${before.explanation}`)
  await publish(api, projectId, before.runId)
  await showReview(api, projectId, before.runId)

  const answered = await answerQuestions(api, projectId, truth)
  say(
    `6. answered ${answered.answers} questions as a perfect annotator: ${answered.same} same, ${answered.different} different (${answered.seconds} s)`,
  )
  const after = await cluster(api, projectId, truth, {})
  await publish(api, projectId, after.runId)
  const { clusterRun } = await api.query(
    'query($id: ID!, $against: ID!) { clusterRun(id: $id) { constraintsHonoured diff(againstRunId: $against) { violatedDecisions movedItems { value } } } }',
    { id: after.runId, against: before.runId },
  )
  say(
    `7. clustered again: ${clusterRun.constraintsHonoured} human constraints honoured, ${clusterRun.diff.violatedDecisions} broken, ${clusterRun.diff.movedItems.value} items moved`,
  )

  const confirmed = await confirmPure(api, projectId, truth)
  const second = await train(api, projectId)
  say(`8. confirmed ${confirmed} identities and retrained (${second.seconds} s)\n   ${gateSentence(second)}`)
  const last = await cluster(api, projectId, truth, {})
  await publish(api, projectId, last.runId)

  const exported = await exportDataset(api, projectId)
  say(
    `9. froze dataset version ${exported.tag} (${exported.itemCount} items, sha256 ${exported.contentHash.slice(0, 12)}) and exported it:`,
  )
  for (const file of exported.files) say(`   ${file.name}  ${(file.byteSize / 1e6).toFixed(1)} MB`)

  const rows: [string, Figures][] = [
    ['cosine threshold, tuned', threshold],
    ['GCN-V+E', paper],
    [`auto: ${before.method}`, before],
    [`auto after ${answered.answers} answers: ${after.method}`, after],
    [`auto, retrained: ${last.method}`, last],
  ]
  say('\n   unlabelled half against the truth      pairwise F   BCubed F    NMI   clusters (true 210)')
  for (const [label, f] of rows) {
    say(
      `   ${label.padEnd(38)} ${percent(f.pairwiseF).padStart(9)} ${percent(f.bcubedF).padStart(10)} ${percent(f.nmi).padStart(7)} ${String(f.clusters).padStart(8)}`,
    )
  }
  const totalSeconds = seconds(startedAt)
  say(`\nDone in ${totalSeconds} s.`)
  if (isJson) {
    const quality = Object.fromEntries(
      rows.map(([label, { pairwiseF, bcubedF, nmi, clusters }]) => [label, { pairwiseF, bcubedF, nmi, clusters }]),
    )
    const figures = {
      pictures: pictures.length,
      coldStartSeconds,
      totalSeconds,
      backend: engine.name,
      quality,
      answers: answered.answers,
      violatedDecisions: clusterRun.diff.violatedDecisions,
      gate: {
        state: second.state,
        heldOutIdentities: second.heldOut,
        retrained: { pairwiseF: second.pairwiseF, bcubedF: second.bcubedF },
        active: second.active,
      },
    }
    process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`)
  }
  if (args.has('--exit')) {
    await server.stop()
    process.exit(0)
  }
  say(
    `\nThe server goes on.\nReview page: ${new URL('/review', server.url)}\nGraphQL: ${server.url}\nAPI key of ${user.displayName}: ${secret}\nProject: ${projectId}\nStop it with Ctrl-C.`,
  )
}

const percent = (share: number) => (100 * share).toFixed(1)

/** What the gate has compared, and what it said: both models are measured on the same identities, which neither has seen. */
function gateSentence({ state, pairwiseF, bcubedF, active, heldOut }: Awaited<ReturnType<typeof train>>): string {
  const figures = (f: { pairwiseF: number; bcubedF: number }) =>
    `pairwise F ${percent(f.pairwiseF)}, BCubed F ${percent(f.bcubedF)}`
  const compared = active ? `what runs use now: ${figures(active)}` : 'nothing to compare with'
  const said =
    state === 'REJECTED'
      ? 'REJECTED by the gate: it is worse, so runs go on as they are'
      : `${state}: it is no worse, so the gate lets it pass, and it is now the active one`
  return `on ${heldOut} identities that no training sees: ${figures({ pairwiseF, bcubedF })}; ${compared}\n   ${said}`
}

// biome-ignore lint/suspicious/noExplicitAny: the demo looks at answers as a script would
type Answer = Record<string, any>

/** A client as anybody would write it: one POST, errors thrown. */
function connect(url: string, token: string) {
  async function query(text: string, variables: object = {}): Promise<Answer> {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: text, variables }),
    })
    const { data, errors } = (await response.json()) as { data: Answer; errors?: { message: string }[] }
    if (errors) throw new Error(errors.map(({ message }) => message).join('\n'))
    return data
  }
  async function mutate(name: string, inputType: string, fields: string, input: object): Promise<Answer> {
    const takesKey = !['cancelJob', 'releaseReviewTasks'].includes(name)
    const data = await query(
      `mutation($input: ${inputType}!) { ${name}(input: $input) { ${fields} userErrors { message code } } }`,
      { input: { ...input, ...(takesKey && { idempotencyKey: randomUUID() }) } },
    )
    const [refusal] = data[name].userErrors
    if (refusal) throw new Error(`${name}: ${refusal.message} (${refusal.code})`)
    return data
  }
  async function follow(label: string, jobId: string): Promise<void> {
    const progress = bar(label, 1)
    for (;;) {
      const { job } = await query(
        'query($id: ID!) { job(id: $id) { state phase completed total failure failedRowCount } }',
        { id: jobId },
      )
      if (process.stderr.isTTY) {
        progress.setTotal(job.total || 1)
        progress.update(job.state === 'SUCCEEDED' ? job.total || 1 : Math.min(job.completed, job.total || 1), {
          phase: job.phase ?? '',
        })
      }
      if (['SUCCEEDED', 'FAILED', 'CANCELED'].includes(job.state)) {
        progress.stop()
        if (job.state !== 'SUCCEEDED') throw new Error(`${label} ${job.state}: ${job.failure}`)
        if (job.failedRowCount > 0) say(`   ${job.failedRowCount} rows failed`)
        return
      }
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
  }
  return { query, mutate, follow }
}

type Api = ReturnType<typeof connect>

async function train(api: Api, projectId: string) {
  const at = performance.now()
  const { createDatasetVersion } = await api.mutate(
    'createDatasetVersion',
    'CreateDatasetVersionInput',
    'datasetVersion { id } job { id }',
    { projectId },
  )
  await api.follow('freezing the labelled items', createDatasetVersion.job.id)
  const { startTrainingRun } = await api.mutate(
    'startTrainingRun',
    'StartTrainingRunInput',
    'trainingRun { id job { id } }',
    {
      datasetVersionId: createDatasetVersion.datasetVersion.id,
    },
  )
  await api.follow('training', startTrainingRun.trainingRun.job.id)
  const { node } = await api.query(
    'query($id: ID!) { node(id: $id) { ... on TrainingRun { model { id state pairwiseF { value sampleSize } bcubedF { value } activePairwiseF { value } activeBcubedF { value } } } } }',
    {
      id: startTrainingRun.trainingRun.id,
    },
  )
  const { id: modelId, state, pairwiseF, bcubedF, activePairwiseF, activeBcubedF } = node.model
  if (state === 'EVALUATED')
    await api.mutate('activateModel', 'ActivateModelInput', 'model { state }', { modelVersionId: modelId })
  return {
    modelId: modelId as string,
    state: state as string,
    pairwiseF: pairwiseF.value as number,
    bcubedF: bcubedF.value as number,
    heldOut: pairwiseF.sampleSize as number,
    /** Of what runs used before, on the same identities. */
    active: activePairwiseF
      ? { pairwiseF: activePairwiseF.value as number, bcubedF: activeBcubedF.value as number }
      : null,
    seconds: seconds(at),
  }
}

/** Runs a method, and scores what it found in the unlabelled half. */
async function cluster(
  api: Api,
  projectId: string,
  truth: ReadonlyMap<string, DemoPicture>,
  input: object,
): Promise<Figures & { runId: string; method: string; explanation: string }> {
  const { startClusterRun } = await api.mutate(
    'startClusterRun',
    'StartClusterRunInput',
    'clusterRun { id job { id } }',
    {
      projectId,
      incremental: false,
      ...input,
    },
  )
  const { id: runId, job } = startClusterRun.clusterRun
  await api.follow('clustering', job.id)
  const labels: number[] = []
  const classes: number[] = []
  const numbers = new Map<string, number>()
  let number = 0
  let after: string | null = null
  let method = ''
  let explanation = ''
  for (;;) {
    const { clusterRun } = await api.query(
      `query($id: ID!, $after: String) { clusterRun(id: $id) { chosenMethod explanation clusters(first: 50, after: $after) {
        pageInfo { hasNextPage endCursor } edges { node { vertices(first: 200) { edges { node { item { externalKey } } } } } } } } }`,
      { id: runId, after },
    )
    method = clusterRun.chosenMethod
    explanation = clusterRun.explanation
    for (const { node } of clusterRun.clusters.edges) {
      number++
      for (const vertex of node.vertices.edges) {
        const picture = truth.get(vertex.node.item.externalKey)
        if (picture?.half !== 'unlabelled') continue
        if (!numbers.has(picture.name)) numbers.set(picture.name, numbers.size)
        labels.push(number)
        classes.push(numbers.get(picture.name) as number)
      }
    }
    if (!clusterRun.clusters.pageInfo.hasNextPage) break
    after = clusterRun.clusters.pageInfo.endCursor
  }
  const scores = evaluateClustering(Int32Array.from(labels), Int32Array.from(classes))
  return {
    runId,
    method,
    explanation,
    pairwiseF: scores.pairwise.f,
    bcubedF: scores.bcubed.f,
    nmi: scores.nmi,
    clusters: scores.clusters,
  }
}

async function publish(api: Api, projectId: string, clusterRunId: string): Promise<void> {
  const { project } = await api.query('query($id: ID!) { project(id: $id) { ledgerRevision } }', { id: projectId })
  await api.mutate('publishClusterRun', 'PublishClusterRunInput', 'clusterRun { state }', {
    clusterRunId,
    expectedLedgerRevision: project.ledgerRevision,
  })
}

/** The queue is filled by a job that publishing has enqueued. */
async function claim(api: Api, projectId: string, count: number): Promise<Answer[]> {
  for (let attempt = 0; ; attempt++) {
    const { claimReviewTasks } = await api.mutate('claimReviewTasks', 'ClaimReviewTasksInput', `tasks { ${TASK} }`, {
      projectId,
      count,
    })
    if (claimReviewTasks.tasks.length > 0 || attempt > 100) return claimReviewTasks.tasks
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const TASK = `id revision kind priority edge { probability } panels { memberCount identity { id } items { id externalKey } }`

async function showReview(api: Api, projectId: string, runId: string): Promise<void> {
  const { clusterRun } = await api.query(
    'query($id: ID!) { clusterRun(id: $id) { vertices(first: 4) { edges { node { confidence item { externalKey } } } } } }',
    { id: runId },
  )
  say('   least confident vertices:')
  for (const { node } of clusterRun.vertices.edges)
    say(`     ${node.confidence.toFixed(3).padStart(7)}  ${node.item.externalKey}`)
  const tasks = await claim(api, projectId, 4)
  say('   head of the review queue, by expected wrong pairs:')
  for (const { kind, priority, edge, panels } of tasks) {
    const names = panels.map(({ items, memberCount }: Answer) => `${items[0]?.externalKey} (${memberCount})`)
    const what =
      kind === 'OUTLIERS'
        ? `which of ${panels[0].items.length} do not belong to ${names[0]}?`
        : kind === 'ASSIGN'
          ? `${names[0]} goes to ${names.slice(1).join(' or ')}?`
          : `${names.join(' = ')}?  p ${edge.probability.toFixed(2)}`
    say(`     ${priority.toFixed(1).padStart(7)}  ${kind.padEnd(8)} ${what}`)
  }
  if (tasks.length > 0)
    await api.mutate('releaseReviewTasks', 'ReleaseReviewTasksInput', 'tasks { id }', {
      taskIds: tasks.map(({ id }) => id),
    })
}

async function answerQuestions(api: Api, projectId: string, truth: ReadonlyMap<string, DemoPicture>) {
  const at = performance.now()
  const progress = bar('answering', QUESTIONS)
  let tasks = await claim(api, projectId, BATCH)
  const counts = { answers: 0, same: 0, different: 0 }
  while (tasks.length > 0 && counts.answers < QUESTIONS) {
    const answers = tasks.slice(0, QUESTIONS - counts.answers).map((task) => answerTruly(task, truth))
    const { submitReviewAnswers } = await api.mutate(
      'submitReviewAnswers',
      'SubmitReviewAnswersInput',
      `results { decision { id } userErrors { code } } nextTasks { ${TASK} }`,
      { answers, claimNext: counts.answers + answers.length < QUESTIONS ? BATCH : 0 },
    )
    submitReviewAnswers.results.forEach((result: Answer, i: number) => {
      // A task that an answer of the same batch made needless is no answer, nor does gold count.
      if (!result.decision) return
      counts.answers++
      if (answers[i]?.verdict === 'SAME') counts.same++
      else counts.different++
    })
    progress.update(counts.answers)
    tasks = submitReviewAnswers.nextTasks
  }
  progress.stop()
  return { ...counts, seconds: seconds(at) }
}

/** What a perfect annotator says. */
function answerTruly({ id, revision, kind, panels }: Answer, truth: ReadonlyMap<string, DemoPicture>) {
  const nameOf = (item: Answer) => truth.get(item.externalKey)?.name
  const answer = { taskId: id, expectedRevision: revision, durationMs: 1000 }
  const [left, ...others] = panels
  if (kind === 'OUTLIERS') {
    const strangers = left.items.filter((item: Answer) => nameOf(item) !== nameOf(left.items[0]))
    const outlierItemIds = strangers.map((item: Answer) => item.id)
    return { ...answer, verdict: strangers.length > 0 ? 'DIFFERENT' : 'SAME', outlierItemIds }
  }
  const home = others.find(({ items }: Answer) => nameOf(items[0]) === nameOf(left.items[0]))
  if (kind === 'ASSIGN' && home) return { ...answer, verdict: 'SAME', identityId: home.identity.id }
  return { ...answer, verdict: home ? 'SAME' : 'DIFFERENT' }
}

/** Accepts proposed identities whose members are all the same emoji, as a person who looks at them would. */
async function confirmPure(api: Api, projectId: string, truth: ReadonlyMap<string, DemoPicture>): Promise<number> {
  const { project } = await api.query(
    `query($id: ID!) { project(id: $id) { identities(first: 250, filter: { states: [PROPOSED], minSize: 3 }, orderBy: SIZE_DESC) {
      edges { node { id revision members(first: 30) { pageInfo { hasNextPage } edges { node { externalKey } } } } } } } }`,
    { id: projectId },
  )
  const pure = project.identities.edges.filter(({ node }: Answer) => {
    const names = new Set(node.members.edges.map((edge: Answer) => truth.get(edge.node.externalKey)?.name))
    return !node.members.pageInfo.hasNextPage && names.size === 1
  })
  const updates = pure
    .slice(0, CONFIRMED)
    .map(({ node }: Answer) => ({ identityId: node.id, expectedRevision: node.revision, state: 'CONFIRMED' }))
  if (updates.length === 0) return 0
  const { updateIdentities } = await api.mutate(
    'updateIdentities',
    'UpdateIdentitiesInput',
    'results { userErrors { message } }',
    { updates },
  )
  return updateIdentities.results.filter((row: Answer) => row.userErrors.length === 0).length
}

async function exportDataset(api: Api, projectId: string) {
  const { createDatasetVersion } = await api.mutate(
    'createDatasetVersion',
    'CreateDatasetVersionInput',
    'datasetVersion { id } job { id }',
    {
      projectId,
      identityStates: ['PROPOSED', 'CONFIRMED', 'LOCKED'],
    },
  )
  await api.follow('freezing', createDatasetVersion.job.id)
  const { id } = createDatasetVersion.datasetVersion
  const files: { name: string; byteSize: number }[] = []
  for (const format of ['JSONL', 'IMAGE_FOLDER']) {
    const { createExport } = await api.mutate('createExport', 'CreateExportInput', 'export { id job { id } }', {
      datasetVersionId: id,
      format,
    })
    await api.follow(`exporting ${format}`, createExport.export.job.id)
    const { node } = await api.query(
      'query($id: ID!) { node(id: $id) { ... on Export { files { name byteSize } } } }',
      { id: createExport.export.id },
    )
    files.push(...node.files)
  }
  const { node } = await api.query(
    'query($id: ID!) { node(id: $id) { ... on DatasetVersion { tag itemCount contentHash } } }',
    { id },
  )
  return { ...(node as { tag: string; itemCount: number; contentHash: string }), files }
}

main().catch(exitWith)
