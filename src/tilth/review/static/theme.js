// In the head before anything is painted: no flash of the other theme.
"use strict";
const chosenTheme = localStorage.getItem("tilth:theme");
if (chosenTheme === "light" || chosenTheme === "dark") document.documentElement.dataset.theme = chosenTheme;
