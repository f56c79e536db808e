import { createContext, useContext } from 'react'

interface Named {
  readonly id: string
  readonly name: string
}

/** Who is signed in. */
export const ViewerContext = createContext<{ id: string; displayName: string } | null>(null)
/** The project that the address names. */
export const ProjectContext = createContext<Named | null>(null)

function useRequired<T>(context: React.Context<T | null>, what: string): T {
  const value = useContext(context)
  if (!value) throw new Error(`${what} is known inside its provider only`)
  return value
}

export const useViewer = () => useRequired(ViewerContext, 'the viewer')
export const useProject = () => useRequired(ProjectContext, 'the project')
