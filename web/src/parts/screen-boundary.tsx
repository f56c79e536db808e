import { Component, type ReactNode } from 'react'

/** Catches what breaks while a screen is drawn or loaded; after an update of the server, its files have new names. */
export class ScreenBoundary extends Component<{ children: ReactNode }, { isBroken: boolean }> {
  override state = { isBroken: false }

  static getDerivedStateFromError() {
    return { isBroken: true }
  }

  override render() {
    if (!this.state.isBroken) return this.props.children
    return (
      <div className="stack card" role="alert">
        <h1>This screen could not be shown</h1>
        <p>The page may have been updated meanwhile. Nothing you have answered is lost.</p>
        <button type="button" className="primary" onClick={() => location.reload()}>
          Reload the page
        </button>
      </div>
    )
  }
}
