import { useQuery } from '@tanstack/react-query'
import { type DragEvent, type ReactNode, useEffect, useMemo, useState } from 'react'
import { send } from '../../api/client.ts'
import { putFile } from '../../api/put-file.ts'
import { accepted } from '../../api/use-api.ts'
import { CreateUpload, SimilarToUpload } from '../../generated/operations.ts'
import { Failure, Loading } from '../../parts/states.tsx'
import { useProject } from '../../shell/project-context.ts'
import styles from './find-screen.module.css'
import { SimilarGrid } from './similar-grid.tsx'

/** Takes a picture that is dropped anywhere on what it holds, where `onDrop` is given. */
export function DropZone({ onDrop, children }: { onDrop?: (file: File) => void; children: ReactNode }) {
  const [isOver, setOver] = useState(false)
  const isWanted = ({ dataTransfer }: DragEvent) => onDrop !== undefined && dataTransfer.types.includes('Files')
  return (
    <section
      aria-label={onDrop ? 'Find; drop an image here to search by it' : 'Find'}
      className={`${styles.screen} ${isOver ? styles.dropping : ''}`}
      onDragOver={(event) => {
        if (!isWanted(event)) return
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        if (!isWanted(event)) return
        event.preventDefault()
        setOver(false)
        const [file] = event.dataTransfer.files
        if (file) onDrop?.(file)
      }}
    >
      {children}
    </section>
  )
}

/** What looks like a picture that is not in the project: it is uploaded, embedded, and compared. */
export function ImageSearch({ file, onLookAt }: { file: File; onLookAt(itemId: string): void }) {
  const { id: projectId } = useProject()
  const found = useQuery({
    queryKey: [SimilarToUpload.name, projectId, file.name, file.size, file.lastModified],
    queryFn: async ({ signal }) => {
      const { createUpload } = await send(
        CreateUpload,
        { input: { projectId, fileName: file.name, byteSize: file.size } },
        { signal },
      )
      const { uploadUrl, stagedUrl } = accepted(createUpload)
      await putFile(uploadUrl as string, file, { signal })
      return send(SimilarToUpload, { projectId, stagedUrl: stagedUrl as string }, { signal })
    },
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  })
  const shownUrl = useMemo(() => URL.createObjectURL(file), [file])
  useEffect(() => () => URL.revokeObjectURL(shownUrl), [shownUrl])
  if (found.isPending) return <Loading label="Comparing your image" />
  if (found.isError) return <Failure error={found.error} onRetry={() => found.refetch()} />
  return (
    <div className={styles.similar}>
      <aside className={styles.asked}>
        <img className={styles.own} src={shownUrl} alt={file.name} />
        <p className="soft">Your image, {file.name}</p>
      </aside>
      <SimilarGrid label={`Images like ${file.name}`} similar={found.data.similaritySearch} onLookAt={onLookAt} />
    </div>
  )
}
